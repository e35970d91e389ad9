"""Opens the model that a command's options name, and says so while that takes its time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from rich.text import Text

from selfagg.cli.options import ModelOptions
from selfagg.models import Model, connect

if TYPE_CHECKING:
    from rich.console import Console


@asynccontextmanager
async def opened_model(options: ModelOptions, console: Console) -> AsyncIterator[Model]:
    """The model, ready to sample.

    Raises:
        UsageError: There is no such model, or it cannot be reached.
    """
    connection = connect(options.model, options.access())
    async with AsyncExitStack() as stack:
        with console.status(Text(f"opening {connection.name} ...")):
            await stack.enter_async_context(connection)
        yield connection
