"""A server of the Model Context Protocol with one tool: think harder about this (``selfagg mcp``)."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

import selfagg
from selfagg import Callback, Member


class _Notifications(Callback):
    """Tell the client of each member at once: clients give up on a tool that is silent for a minute."""

    def __init__(self, context: Context) -> None:  # type: ignore[type-arg]
        self._context = context
        self.told: list[asyncio.Task[None]] = []

    def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
        """Send the number of members so far."""
        report = self._context.report_progress(len(self.told) + 1, message=f"population {member.t}")
        self.told.append(asyncio.create_task(report))


def think_server(model: str | selfagg.Model, method: selfagg.Method, **settings: Any) -> MCPServer:
    """Return the server; ``run()`` serves standard input and output.

    Args:
        model: The model that thinks: a name, or an open connection, which all calls share.
        method: How it thinks.
        **settings: ``base_url``, ``api_key``, ``sampling`` and other arguments of `selfagg.asolve`.
    """
    server = MCPServer("selfagg", version=selfagg.__version__)

    @server.tool()
    async def think_harder(problem: str, context: Context) -> str:  # type: ignore[type-arg]
        """Think harder about a problem and return the best answer.

        Many attempts are sampled and combined several times, which takes minutes. State the whole problem in the
        text: nothing else of this conversation is known. Ask for problems that are hard and have a right answer
        (mathematics, logic, code, puzzles), not for conversation.
        """
        progress = _Notifications(context)
        given = {**settings, "model": model, "method": method, "callback": progress}
        try:
            return (await selfagg.asolve(problem, **given)).text
        except selfagg.SelfaggError as error:
            raise ToolError(str(error)) from None
        finally:
            await asyncio.gather(*progress.told, return_exceptions=True)

    return server
