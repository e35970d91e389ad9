"""Open the model that a command's options name, and say so while that takes its time."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from rich.text import Text

from selfagg.cli.options import ModelChoice
from selfagg.cli.stopping import command_line
from selfagg.models import Model, connect
from selfagg.models.base import Limited
from selfagg.progress_bar import ProgressBar
from selfagg.run.engine import Callback, Settings
from selfagg.run.runner import Schedule
from selfagg.terminal import one_line, say

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")


class _Opening(Callback):
    """A callback that tells a person of waits while the model is opened."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def waiting(self, why: str | None) -> None:
        if why is not None:
            say(one_line(why, 300), self._console)


class PrintedNotes(logging.Handler):
    """A printer of a connection's notes, each sentence once; a live view lets them through above itself."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one sentence on stderr."""
        sentence = record.getMessage().removeprefix("note: ")
        if sentence not in self._told:
            self._told.add(sentence)
            print(f"note: {one_line(sentence, 1000)}", file=sys.stderr, flush=True)


@contextmanager
def notes_printed() -> Iterator[None]:
    """Print the warnings of selfagg's loggers while a model is open."""
    logger, notes = logging.getLogger("selfagg"), PrintedNotes()
    logger.addHandler(notes)
    try:
        yield
    finally:
        logger.removeHandler(notes)


@asynccontextmanager
async def opened_model(choice: ModelChoice, console: Console) -> AsyncIterator[Model]:
    """Open the model for the length of the block, ready to sample.

    Raises:
        UsageError: There is no such model, or it cannot be reached.
    """
    connection = connect(choice.model, choice.access)
    listener = _Opening(console)
    if isinstance(connection, Limited):
        connection.limiter.listeners.add(listener)
    async with AsyncExitStack() as stack:
        stack.enter_context(notes_printed())
        with console.status(Text(f"opening {connection.name} ...")):
            await stack.enter_async_context(connection)
        del listener  # from here on, the run's own view tells of waits
        yield connection


async def run_opened(
    work: Callable[..., Awaitable[T]],
    choice: ModelChoice,
    settings: Settings,
    schedule: Schedule,
    console: Console,
    **more: Any,
) -> T:
    """Open the model, call a function of the Python API with what the options stand for, and show the run.

    Args:
        work: `selfagg.aevaluate` or another function with its arguments.
        choice: The model.
        settings: The sampling and the scoring of members.
        schedule: ``stepwise`` if populations wait for each other.
        console: The console that shows the run.
        **more: Further arguments of ``work``.
    """
    async with opened_model(choice, console) as model:
        arguments = {
            "model": model,
            "concurrency": choice.access.concurrency,
            "candidate": settings.candidate,
            "sampling": settings.sampling,
            "seed": settings.seed,
            "scorer": settings.scorer,
            "wording": settings.wording,
            "schedule": schedule,
            "callback": ProgressBar(console),
            "about": {"command": command_line()},
        }
        return await work(**{**arguments, **more})
