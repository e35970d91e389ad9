"""A fake of an OpenAI-compatible server that misbehaves on purpose. No model is behind it.

Tests give it a script: one fault a chat call, after which it answers well. By hand,
``python openai_faults.py 0.1 [SEED] [KIND ...]`` serves with a fault on 10 % of the calls and prints its base URL.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import math
import random
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

from aiohttp import web

Fault = Callable[[web.Request, Mapping[str, Any]], Awaitable[web.StreamResponse]]


def completion(text: str | None = "four", **fields: Any) -> dict[str, Any]:
    """A well-formed answer; ``fields`` go into its choice."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}} | fields
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14, "prompt_tokens_details": None}
    return {"object": "chat.completion", "model": "fake", "choices": [choice], "usage": usage}


def refuse(status: int, message: str = "no", headers: Mapping[str, str] | None = None, **fields: Any) -> Fault:
    """An answer of this status in the API's form of an error."""

    async def fault(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        return web.json_response({"error": {"message": message} | fields}, status=status, headers=headers)

    return fault


def send(data: object, status: int = 200) -> Fault:
    """An answer with this JSON, or this text if it is a string."""

    async def fault(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        text = data if isinstance(data, str) else json.dumps(data)
        return web.Response(text=text, status=status, content_type="application/json")

    return fault


def _drop(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()


async def reset(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
    """Closes the connection without a word."""
    _drop(request)
    return web.Response()


async def hang(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
    """Never answers."""
    await asyncio.sleep(3600)
    return web.Response()


async def half(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
    """Sends half a reply and closes the connection."""
    data = json.dumps(completion()).encode()
    response = web.StreamResponse(headers={"Content-Length": str(len(data)), "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    _drop(request)
    return response


async def garbage(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
    """Sends what is no HTTP."""
    if request.transport:
        request.transport.write(b"\x00\x01 garbage\r\n\r\n")
    _drop(request)
    return web.Response()


async def huge_error(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
    """Sends an error without end."""
    response = web.StreamResponse(status=500)
    await response.prepare(request)
    while True:
        await response.write(b"x" * 2**20)


async def huge(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
    """Sends a reply without end."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"message": {"content": "')
    while True:
        await response.write(b"x" * 2**20)


def packed(data: object) -> Fault:
    """An answer with this JSON as gzip, which nobody asked for."""

    async def fault(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return web.Response(body=gzip.compress(json.dumps(data).encode()), headers=headers)

    return fault


async def fine(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
    """Answers well, streamed where the request wants it."""
    if not body.get("stream"):
        return web.json_response(completion())
    choice = {"index": 0, "delta": {"content": None}, "finish_reason": None}
    pieces = [choice | {"delta": {"content": text}} for text in ("fo", "u", "r")]
    events = [{"choices": [one]} for one in (choice, *pieces, choice | {"finish_reason": "stop"})]
    return await stream_events(request, [*events, {"choices": [], "usage": completion()["usage"]}])


def stream(events: Sequence[object], *, drop: bool = False) -> Fault:
    """Streams these events, and closes the connection after them if it is to drop."""

    async def fault(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        return await stream_events(request, events, drop=drop)

    return fault


async def stream_events(request: web.Request, events: Sequence[object], *, drop: bool = False) -> web.StreamResponse:
    """Server-sent events, one a JSON value."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for event in events:
        await response.write(f"data: {json.dumps(event)}\n\n".encode())
    if drop:
        _drop(request)
        return response
    await response.write(b"data: [DONE]\n\n")
    return response


FAULTS: Mapping[str, Fault] = {
    "429": refuse(429, "slow down"),
    "429 with Retry-After": refuse(429, "slow down", {"Retry-After": "0.05"}),
    "500": refuse(500, "internal error"),
    "503": refuse(503, "overloaded"),
    "reset": reset,
    "hang": hang,
    "half a reply": half,
    "no HTTP": garbage,
    "malformed JSON": send("{"),
    "JSON of another kind": send([1, 2]),
    "empty content": send(completion("")),
    "null content": send(completion(None)),
    "wrong model": refuse(404, "the model `fake` does not exist", code="model_not_found"),
    "huge reply": huge,
    "huge error": huge_error,
    "context error": refuse(400, "too long", code="context_length_exceeded"),
}
"""What a server may do to a call, by name."""


class FaultServer:
    """Serves a model ``fake``; ``script`` holds what the next chat calls get.

    Args:
        *script: Faults of the first chat calls.
        rate: Share of the calls after them that get a fault.
        kinds: Faults that these are drawn from.
        seed: Of that draw.
        remember: Whether to keep the calls' bodies and headers.

    Attributes:
        url: Base URL, known after entering.
        script: Faults of the next chat calls, taken from the front.
        bodies: Bodies of all chat calls, in order.
        models: The answer of ``GET /v1/models``.
        other: What further paths answer, by path.
        rate: As above; may be changed at any time.
        until: The call after which no call gets a fault any more.
        calls: Chat calls so far.
        open: Chat calls in flight.
        most: Most of them so far.
    """

    def __init__(
        self,
        *script: Fault,
        rate: float = 0.0,
        kinds: Sequence[Fault] = tuple(FAULTS.values()),
        seed: int = 0,
        remember: bool = True,
    ) -> None:
        self.url = ""
        self.script = list(script)
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.models: Fault = send({"object": "list", "data": [{"id": "fake", "owned_by": "nobody"}]})
        self.other: dict[str, Fault] = {}
        self.calls = self.open = self.most = 0
        self.rate = rate
        self.until = math.inf
        self._kinds = kinds
        self._remember = remember
        self._random = random.Random(seed)
        self._runner = web.AppRunner(self._app(), handler_cancellation=True, shutdown_timeout=0.1)

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_route("*", "/{path:.*}", self._other)
        return app

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=4096)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        return await self.models(request, {})

    async def _other(self, request: web.Request) -> web.StreamResponse:
        answer = self.other.get(request.path, refuse(404, "not found"))
        return await answer(request, await request.json() if request.can_read_body else {})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.calls += 1
        if self._remember:
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            return await self._next()(request, body)
        finally:
            self.open -= 1

    def _next(self) -> Fault:
        if self.script:
            return self.script.pop(0)
        faulty = self.calls <= self.until and self._random.random() < self.rate
        return self._random.choice(self._kinds) if faulty else fine


async def main() -> None:
    """Serves until interrupted."""
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # its callers leave as they like
    seed, kinds = int(sys.argv[2]) if len(sys.argv) > 2 else 0, [FAULTS[name] for name in sys.argv[3:] or FAULTS]
    async with FaultServer(rate=float(sys.argv[1]), kinds=kinds, seed=seed, remember=False) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
