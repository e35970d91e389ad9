"""What a worker is told when it starts, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from selfagg.methods.base import Method
from selfagg.models import Access
from selfagg.record.merge import Cursor, Part
from selfagg.run.engine import Settings
from selfagg.run.runner import Schedule


@dataclass(frozen=True, slots=True)
class Job:
    """A run, without its questions.

    Attributes:
        model: Name of the model; every worker opens a connection of its own.
        access: How to get at it; its files and addresses are looked for where the worker runs.
        method: The method.
        settings: How it samples.
        source: Which questions, in words.
        schedule: As for `selfagg.run.runner.evaluate`.
        version: Of selfagg, the same everywhere.
        folder: Where relative paths begin, on machines that have it.
        programs: Whether questions ask for programs, and
        sandbox: where these run; None: the worker chooses.
        key: The API key; stands in no log and no description of the job.
    """

    model: str
    access: Access
    method: Method
    settings: Settings
    source: str
    schedule: Schedule
    version: str
    folder: str = "."
    programs: bool = False
    sandbox: str | None = None
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker knows once its model is open.

    Attributes:
        model: The model's name for the record.
        context: Its context in tokens.
        concurrency: Calls that it makes at once.
        process: Its process id, and
        machine: where that runs.
    """

    model: str
    context: int | None
    concurrency: int
    process: int
    machine: str


@dataclass(frozen=True, slots=True)
class News:
    """What a worker has done lately.

    Attributes:
        parts: What its record got.
        file: Which record that is; another one after a restart.
        read: How far it was read.
        obstacle: Why nothing moves, while the model is gone.
    """

    parts: tuple[Part, ...] = ()
    file: str = ""
    read: Cursor = field(default_factory=Cursor)
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """A worker's model is gone, or refuses everything.

    Attributes:
        why: In a sentence.
        fatal: Whether every other worker would meet the same.
    """

    why: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What workers that are no more have left on a machine.

    Attributes:
        parts: What their records hold of questions that are not done.
        files: Those records.
        busy: How many more there are whose workers still run.
    """

    parts: tuple[Part, ...]
    files: tuple[str, ...]
    busy: int
