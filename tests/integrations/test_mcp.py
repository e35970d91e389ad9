from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")


async def test_a_client_lists_the_tool_and_thinks_with_it() -> None:
    from mcp import Client

    import selfagg
    from selfagg.integrations.mcp import think_server

    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    server = think_server("simulated:", selfagg.RSA(n=3, k=2, t=2))
    async with Client(server) as client:
        (tool,) = (await client.list_tools()).tools
        assert tool.name == "think_harder"
        assert set(tool.input_schema["properties"]) == {"problem"}
        result: Any = await client.call_tool("think_harder", {"problem": "What is 2 + 2?"}, progress_callback=hear)
        assert not result.is_error
        assert getattr(result.content[0], "text", "")
    assert heard == [1, 2, 3]  # one member of the last population, and its two parents


async def test_a_failing_model_is_the_tools_error_and_the_server_goes_on() -> None:
    from mcp import Client

    import selfagg
    from selfagg.integrations.mcp import think_server

    server = think_server("no-such-kind:", selfagg.RSA(n=2, k=1, t=1))
    async with Client(server) as client:
        result: Any = await client.call_tool("think_harder", {"problem": "What is 2 + 2?"})
        assert result.is_error
        assert "there is no model 'no-such-kind:'" in getattr(result.content[0], "text", "")
        assert (await client.list_tools()).tools


async def test_the_command_serves_standard_input_and_output(tmp_path: Path) -> None:
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    command = ["-m", "selfagg", "mcp", "--model", "simulated:", "-n", "2", "-k", "1", "-t", "2"]
    program: Any = StdioServerParameters(command=sys.executable, args=command, env={**os.environ}, cwd=str(tmp_path))
    async with Client(stdio_client(program)) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["think_harder"]
        result: Any = await client.call_tool("think_harder", {"problem": "What is 2 + 2?"})
        assert result.content[0].text
