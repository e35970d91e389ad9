"""The interface of a benchmark: a description, and a function that loads the questions asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from selfagg.errors import UsageError
from selfagg.types import Kind, Question

Size = int | Literal["all"] | None
"""A number of questions, ``all``, or None for the benchmark's own default."""

InstructionFrom = Literal["own", "file"]
"""The source of the sentence that asks for the answer's form: our own, or the benchmark's file."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The questions that a user asks for.

    Attributes:
        size: Number of questions (the source's own default).
        data: A file or folder to read the benchmark from, not the hub.
        data_seed: Seed of questions that are generated or drawn; benchmarks in files do not use it.
        settings: A setting of the task, as typed; several times.
        examples: Worked examples to set before each question.
        instruction: ``own``: our sentence asks for the answer's form; ``file``: that of the benchmark's file does.
    """

    size: Size = None
    data: Path | None = None
    data_seed: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    examples: int = 0
    instruction: InstructionFrom = "own"


@dataclass(frozen=True, slots=True)
class HubSource:
    """Files of one dataset on the Hugging Face hub.

    Attributes:
        repo: The dataset's id, e.g. ``m-a-p/SuperGPQA``.
        revision: The commit they are read at.
        files: Their paths in the dataset's repository, in the order they are read.
    """

    repo: str
    revision: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark, as its file in this package describes it.

    Attributes:
        name: The name that a user types.
        title: The title in tables and reports.
        kind: The kind of its questions.
        size: Number of questions if the user names none.
        load: Gives the questions of a selection, always the same ones in the same order. It raises
            `UsageError` with one sentence for whatever it cannot give.
        hub: The place of its files, or None if it is generated or comes in a package.
        note: Licence and source in one line.
        settings: Names of the settings it takes; None: ``load`` checks them itself.
    """

    name: str
    title: str
    kind: Kind
    size: int
    load: Callable[[Selection], list[Question]]
    hub: HubSource | None = None
    note: str = ""
    settings: tuple[str, ...] | None = ()


def cut(questions: list[Question], size: Size, *, default: int, source: str) -> list[Question]:
    """Return the first ``size`` questions.

    Args:
        questions: All there are, in their fixed order.
        size: Number of questions that the user wants.
        default: Number of questions if ``size`` is None; fewer if there are fewer.
        source: Name of their source in the message.

    Raises:
        UsageError: More are asked for than there are, or fewer than one.
    """
    if size is None:
        return questions[:default]
    if size == "all":
        return questions
    if size < 1:
        raise UsageError(f"the number of questions must be at least 1, not {size}")
    if size > len(questions):
        raise UsageError(f"{source} has {len(questions)} questions to ask; {size} were asked for")
    return questions[:size]
