"""A backend that fails in every way, and bodies that nobody would send: always an answer, or the right error."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
from backends import connected
from openai_faults import FaultServer
from serving import Served, serving

ASKED = [{"role": "user", "content": "what?"}]
RIGHT = {400, 404, 429, 502, 503, 504}
REQUESTS: tuple[dict[str, Any], ...] = (
    {"rsa": False},
    {"rsa": False, "stream": True},
    {"rsa": {"n": 4, "k": 2, "t": 2}},
    {"rsa": {"n": 4, "k": 2, "t": 2}, "stream": True},
)


async def outcome(session: aiohttp.ClientSession, served: Served, fields: dict[str, Any]) -> str:
    """``answered``, or the error's status, or what is neither."""
    body = {"model": "fake", "messages": ASKED} | fields
    async with session.post(f"{served.url}/v1/chat/completions", json=body) as got:
        text = await got.text()
        if got.status != 200:
            assert got.status in RIGHT, text
            assert json.loads(text)["error"]["message"]
            return str(got.status)
    if got.content_type == "application/json":  # also where the backend forgets that it was to stream
        assert json.loads(text)["choices"]
        return "answered"
    events = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    last = json.loads(events[-2])
    return "answered" if last.get("error") is None else f"told of {last['error']['code']}"


async def test_of_a_backend_that_fails_every_tenth_time_every_client_hears_the_right_thing() -> None:
    async with (
        FaultServer(rate=0.1, seed=2) as backend,
        serving(connected(backend.url, timeout_s=1.0, tries=3, patience_s=60.0), concurrency=16) as served,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session,
    ):
        found = await asyncio.gather(*(outcome(session, served, REQUESTS[i % 4]) for i in range(80)))
        assert served.service.open_requests == 0
        assert served.service.call_queue.inside == 0
        deliberated = [word for i, word in enumerate(found) if i % 4 >= 2]
    assert deliberated.count("answered") >= 34  # of 40: one failed member is no failed answer
    assert len(set(found)) > 1
