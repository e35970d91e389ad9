"""Opens the model that a command's options name, and says so while that takes its time."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from rich.text import Text

from selfagg.cli.options import ModelOptions
from selfagg.cli.terminal import one_line, say
from selfagg.models import Model, connect
from selfagg.models.base import Limited
from selfagg.run.engine import Callback

if TYPE_CHECKING:
    from rich.console import Console


class _Opening(Callback):
    """Tells a person of waits while the model is opened."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def waiting(self, why: str | None) -> None:
        if why is not None:
            say(one_line(why, 300), self._console)


class PrintedNotes(logging.Handler):
    """Prints what a connection has to tell, each sentence once; a live view lets it through above itself."""

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
async def opened_model(options: ModelOptions, console: Console) -> AsyncIterator[Model]:
    """The model, ready to sample.

    Raises:
        UsageError: There is no such model, or it cannot be reached.
    """
    connection = connect(options.model, options.access())
    listener = _Opening(console)
    if isinstance(connection, Limited):
        connection.limiter.listeners.add(listener)
    async with AsyncExitStack() as stack:
        stack.enter_context(notes_printed())
        with console.status(Text(f"opening {connection.name} ...")):
            await stack.enter_async_context(connection)
        del listener  # from here on, the run's own view tells of waits
        yield connection
