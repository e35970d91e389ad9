"""``selfagg mcp``: a tool "think harder about this" for any agent that speaks the Model Context Protocol."""

from __future__ import annotations

from typing import Any

from selfagg.cli.generate import command
from selfagg.cli.options import MethodChoice, ModelChoice
from selfagg.run.engine import Settings


@command
def mcp(*, model: ModelChoice, method: MethodChoice, settings: Settings) -> None:
    """Serve one tool, think_harder, on standard input and output; an agent starts this command itself."""
    import asyncio
    import signal

    from rich.console import Console

    from selfagg._internal.blocking import heard_by
    from selfagg._internal.extras import need
    from selfagg.cli.opening import run_opened

    need("mcp")
    from selfagg.integrations.mcp import think_server

    chosen = method.build()

    async def serve(**arguments: Any) -> None:
        await think_server(**arguments | {"method": chosen}).run_stdio_async()

    with heard_by(signal.SIG_DFL):  # a thread that waits for standard input would outlive a KeyboardInterrupt
        asyncio.run(run_opened(serve, model, settings, method.schedule, Console(stderr=True)))
