"""A worker: one process somewhere on the cluster, with a connection to the model. It keeps nothing: it sends."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from selfagg import __version__
from selfagg.errors import UsageError
from selfagg.methods.base import Method
from selfagg.models import Access, connect
from selfagg.prompts import first
from selfagg.record.configuration import configuration
from selfagg.record.merge import Cursor, Part, forget, news_of, part_of, put
from selfagg.record.record import Record
from selfagg.record.rows import question_of
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.runner import Schedule, evaluate_question
from selfagg.types import Question

NEWS_EVERY_S = 0.2
"""Seconds of finished calls that a worker takes with it when it dies."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run, without its questions; addresses and relative paths are looked up where the worker runs."""

    model: str
    access: Access
    method: Method
    settings: Settings
    source: str
    schedule: Schedule = "free"
    version: str = __version__
    folder: str = "."
    programs: bool = False
    sandbox: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that a worker knows once its model is open; ``concurrency`` are the calls that it makes at once."""

    model: str
    context: int | None
    concurrency: int
    process: int
    machine: str


class Worker(Callback):
    """An actor that answers questions until its process ends; a new process begins anew and gets what is known.

    A Ray actor, but nothing here knows of Ray: its methods are called from elsewhere, many at a time.
    """

    def __init__(self, job: Job) -> None:
        if job.version != __version__:
            raise UsageError(f"selfagg {job.version} started this run, but {platform.node()} has {__version__}")
        with suppress(OSError):
            os.chdir(job.folder)
        self._job = job
        self._record = Record(None)
        self._engine: Engine | None = None
        self._opening = asyncio.Lock()
        self._obstacle: str | None = None
        self._at_work: dict[int, asyncio.Task[Part]] = {}

    def waiting(self, why: str | None) -> None:
        self._obstacle = why

    async def ready(self, questions: Sequence[Question] = ()) -> Facts:
        """Open the model, and look if questions fit its context.

        Raises:
            UsageError: There is no such model, it cannot be reached from here, or a question does not fit.
        """
        engine = await self._opened()
        model = engine.model
        for question in questions:
            await engine.fit(first(question), model.context)
        return Facts(model.name, model.context, model.concurrency, os.getpid(), platform.node())

    async def _opened(self) -> Engine:
        job = self._job
        async with self._opening:
            if self._engine is None:
                if job.programs:
                    from selfagg.scoring.code import use_sandbox

                    use_sandbox(job.sandbox)
                model = await connect(job.model, job.access).__aenter__()  # closed with the process
                self._record.begin(configuration(job.method, model.name, job.settings, job.source), [])
                self._engine = Engine(model, job.settings, self._record, callback=self)
            return self._engine

    async def answer(self, known: Part) -> AsyncIterator[tuple[Part, str | None]]:
        """Compute and score every member for a question, given what there is of it already; send each soon after.

        Asked again for a question at work, since the caller lost sight of this process, it works once and sends all.

        Yields:
            New rows, and the reason for which no call is made now; in the end all rows, with weights.

        Raises:
            RunStopped: The model is gone.
        """
        engine, record, position, read = await self._opened(), self._record, known.position, Cursor()
        if position not in self._at_work:
            self._at_work[position] = asyncio.create_task(self._whole(engine, known))
        work = self._at_work[position]
        while not work.done():
            await asyncio.wait({work}, timeout=NEWS_EVERY_S)
            part, read = await record.in_turn(lambda since=read: news_of(record, position, since))  # type: ignore[misc]
            yield part, self._obstacle
        self._at_work.pop(position, None)
        yield work.result(), None

    async def _whole(self, engine: Engine, known: Part) -> Part:
        record, position, schedule = self._record, known.position, self._job.schedule
        await record.in_turn(lambda: put(record, known))
        await evaluate_question(engine, self._job.method, question_of(known.body), position, schedule=schedule)
        whole = await record.in_turn(lambda: part_of(record, position))
        await record.in_turn(lambda: forget(record, position))
        return replace(whole, body="")
