"""Several runs with one model, each shown while it runs: what ``compare`` and ``sweep`` have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from selfagg.benchmarks.given import QuestionSet
from selfagg.cli.live_view import shown
from selfagg.cli.opening import opened_model
from selfagg.cli.options import ModelOptions
from selfagg.cli.progress import Progress
from selfagg.cli.stopping import command_line
from selfagg.cli.terminal import say

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.evaluation.runs import Experiment, Watching
    from selfagg.methods import Method
    from selfagg.record.record import Record
    from selfagg.run.engine import Callback, Settings
    from selfagg.run.runner import Schedule


@asynccontextmanager
async def opened_experiment(
    asked: QuestionSet, settings: Settings, schedule: Schedule, model: ModelOptions, folder: Path, console: Console
) -> AsyncIterator[tuple[Experiment, Watching]]:
    """The experiment with its model open, and what shows each of its runs.

    Raises:
        UsageError: There is no such model, or it cannot be reached.
    """
    from selfagg.evaluation.runs import Experiment

    async with opened_model(model, console) as opened:
        experiment = Experiment(
            model=opened,
            settings=settings,
            questions=asked.questions,
            source=asked.source,
            folder=folder,
            schedule=schedule,
            concurrency=model.concurrency,
            told={"command": command_line()},
        )

        @contextmanager
        def watching(method: Method, seed: int, record: Record) -> Iterator[Callback]:
            progress = Progress([method.size(t) for t in range(1, method.t + 1)], len(asked.questions))
            progress.resume(record)
            if progress.done == progress.size:
                yield progress  # an earlier session has done it
                return
            say(f"record {record.path}", console)
            with shown(progress, method, f"{asked.source}, seed {seed}", opened.name, console):
                yield progress

        yield experiment, watching
