"""Well-behaved answers for `FaultServer` whose every step a test decides."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from openai_faults import Fault, completion

from selfagg.models.openai import OpenAIModel
from selfagg.models.pace import RetryPolicy

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2, "b": 2}'}}


def connected(
    url: str, *, timeout_s: float = 5.0, tries: int = 2, patience_s: float = 0.3, **settings: Any
) -> OpenAIModel:
    """A connection to the backend under test that does not try for long."""
    retries = RetryPolicy(tries=tries, first_s=0.01, longest_s=0.02, patience_s=patience_s, overall_s=patience_s)
    return OpenAIModel("fake", base_urls=[url], api_key="backend-key", timeout_s=timeout_s, retries=retries, **settings)


def paced(step: asyncio.Queue[str | None]) -> Fault:
    """Streams a word whenever the test puts one into ``step``, and ends well at None."""

    async def fault(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while (word := await step.get()) is not None:
            await _write(response, {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
        await _write(response, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        await _write(response, {"choices": [], "usage": completion()["usage"]})
        await response.write(b"data: [DONE]\n\n")
        return response

    return fault


async def _write(response: web.StreamResponse, event: object) -> None:
    await response.write(f"data: {json.dumps(event)}\n\n".encode())


def tool_call() -> dict[str, Any]:
    """An answer that calls a tool."""
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    return completion(None, message=message, finish_reason="tool_calls")
