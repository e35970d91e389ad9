"""A server of the Model Context Protocol with one tool: think harder about this (``selfagg mcp``)."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context, MCPServer

import selfagg
from selfagg import Callback, Member


class _Progress(Callback):
    """A counter of members, for the client's progress bar."""

    def __init__(self) -> None:
        self.done = 0

    def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
        self.done += 1


def think_server(model: str, method: selfagg.Method, **access: Any) -> MCPServer:
    """Return the server; ``run()`` serves standard input and output.

    Args:
        model: The model that thinks, as `selfagg.solve` takes it.
        method: The method with which to think.
        access: ``base_url``, ``api_key`` and other arguments of `selfagg.asolve`.
    """
    server = MCPServer("selfagg", version=selfagg.__version__)

    @server.tool()
    async def think_harder(problem: str, context: Context) -> str:  # type: ignore[type-arg]
        """Think harder about a problem and return the best answer.

        Many attempts are sampled and combined several times, which takes minutes. State the whole problem in the
        text: nothing else of this conversation is known. Ask for problems that are hard and have a right answer
        (mathematics, logic, code, puzzles), not for conversation.
        """
        progress = _Progress()
        result = await selfagg.asolve(problem, model=model, method=method, callback=progress, **access)
        await context.report_progress(progress.done, progress.done)
        return result.text

    return server
