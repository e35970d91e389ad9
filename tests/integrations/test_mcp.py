from __future__ import annotations

import pytest

pytest.importorskip("mcp")


async def test_a_client_lists_the_tool_and_thinks_with_it() -> None:
    from mcp import Client

    import selfagg
    from selfagg.integrations.mcp import think_server

    server = think_server("simulated:", selfagg.RSA(n=3, k=2, t=2))
    async with Client(server) as client:
        (tool,) = (await client.list_tools()).tools
        assert tool.name == "think_harder"
        assert set(tool.input_schema["properties"]) == {"problem"}
        result = await client.call_tool("think_harder", {"problem": "What is 2 + 2?"})
        assert not result.is_error
        assert getattr(result.content[0], "text", "")
