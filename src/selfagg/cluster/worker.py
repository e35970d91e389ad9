"""A worker: one process somewhere on the cluster, with a connection to the model and a record of its own."""

from __future__ import annotations

import asyncio
import os
import platform
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from selfagg import __version__
from selfagg.cluster.folder import run_folder
from selfagg.cluster.job import Gone, Job, News, WorkerInfo
from selfagg.errors import RunStopped, UsageError
from selfagg.models import Model, connect
from selfagg.prompts import first
from selfagg.record.configuration import configuration
from selfagg.record.merge import Cursor, Part, news_of, part_of, put
from selfagg.record.record import Record
from selfagg.record.rows import question_of
from selfagg.record.store import NullStore
from selfagg.run.engine import Callback, Engine
from selfagg.run.runner import evaluate_question
from selfagg.types import Question


class Worker(Callback):
    """Answers questions until its process ends; started again, it begins anew and is told what is known.

    A Ray actor, but nothing here knows of Ray: its methods are called from elsewhere, many at a time.
    """

    def __init__(self, job: Job) -> None:
        if job.version != __version__:
            raise UsageError(f"selfagg {job.version} started this run, but {platform.node()} has {__version__}")
        with suppress(OSError):
            os.chdir(job.folder)
        self._job = job
        self._model: Model | None = None
        self._work: tuple[Engine, Record] | None = None
        self._opening = asyncio.Lock()
        self._obstacle: str | None = None
        self._at_work: dict[int, asyncio.Task[Part | Gone]] = {}

    def waiting(self, why: str | None) -> None:
        self._obstacle = why

    async def ready(self) -> WorkerInfo:
        """Opens the model; returns when it can be asked.

        Raises:
            UsageError: There is no such model, or it cannot be reached from here.
        """
        model = await self._opened()
        return WorkerInfo(model.name, model.context, model.concurrency, os.getpid(), platform.node())

    async def _opened(self) -> Model:
        job = self._job
        async with self._opening:
            if self._model is None:
                if job.key is not None:
                    os.environ["OPENAI_API_KEY"] = job.key
                if job.programs:
                    from selfagg.scoring.code import use_sandbox

                    use_sandbox(job.sandbox)
                self._model = await connect(job.model, job.access).__aenter__()  # closed with the process
            return self._model

    async def check(self, questions: Sequence[Question]) -> None:
        """Looks whether questions fit the model's context.

        Raises:
            UsageError: One does not.
        """
        model = await self._opened()
        engine = Engine(model, self._job.settings, NullStore())
        for question in questions:
            await engine.fit(first(question), model.context)

    async def _begun(self, run: str) -> tuple[Engine, Record]:
        model, job = await self._opened(), self._job
        if self._work is None:
            record = Record(run_folder(run) / f"{uuid.uuid4().hex}.sqlite")
            record.begin(configuration(job.method, model.name, job.settings, job.source), [])
            self._work = Engine(model, job.settings, record, callback=self), record
        return self._work

    async def answer(self, run: str, known: Part) -> Part | Gone:
        """Computes and scores every member for a question.

        Args:
            run: The run's own name.
            known: The question, and what there is of it already.

        Returns:
            All that there is of it then.
        """
        engine, record = await self._begun(run)
        # Asked twice where the caller lost sight of this process for a moment: it is one question all the same.
        at_work = self._at_work.get(known.position)
        if at_work is None:
            at_work = self._at_work[known.position] = asyncio.create_task(self._answered(engine, record, known))
            at_work.add_done_callback(lambda _: self._at_work.pop(known.position))
        return await asyncio.shield(at_work)

    async def _answered(self, engine: Engine, record: Record, known: Part) -> Part | Gone:
        job = self._job
        await record.in_turn(lambda: put(record, known))
        try:
            await evaluate_question(engine, job.method, question_of(known.body), known.position, schedule=job.schedule)
        except RunStopped as error:
            return Gone(str(error), error.fatal)
        return replace(await record.in_turn(lambda: part_of(record, known.position)), body="")

    async def news(self, last: News) -> News:
        """What is new since the last news."""
        if self._work is None:
            return News(obstacle=self._obstacle)
        _, record = self._work
        file = str(record.path)
        since = last.read if last.file == file else Cursor()
        parts, read = await record.in_turn(lambda: news_of(record, since))
        return News(tuple(parts), file, read, self._obstacle)
