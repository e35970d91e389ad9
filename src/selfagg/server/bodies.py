"""Bounds on request bodies: the bytes of one, the bytes of all that are held at once, and silence."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from selfagg.server.errors import APIError
from selfagg.server.settings import ServerLimits

SILENCE_S: Final = 30.0
"""Longest wait for the next piece of a body, in seconds."""

UPLOAD_S: Final = 300.0
"""Longest time for a whole body, in seconds."""


class Bodies:
    """Middleware that counts bodies while they are read, and refuses those beyond the limits.

    A request holds its bytes until it is answered, since a deliberation keeps the conversation.
    """

    def __init__(self, app: ASGIApp, limits: ServerLimits) -> None:
        self._app, self._limits = app, limits
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > self._limits.body_bytes:
            await self._too_large().response(scope["path"])(scope, receive, send)
            return
        body = _Body(receive)

        async def bounded() -> Message:
            message = await body.receive()
            self._held += len(message.get("body", b""))
            if body.size > self._limits.body_bytes:
                raise self._too_large()
            if self._held > self._limits.all_bodies_bytes:
                raise APIError(429, "the server holds as many request bodies as it can", code="queue_full", wait_s=5.0)
            return message

        try:
            await self._app(scope, bounded, send)
        finally:
            self._held -= body.size

    def _too_large(self) -> APIError:
        most = self._limits.body_bytes
        return APIError(413, f"the request body is larger than {most:,} bytes", code="request_too_large")


class _Body:
    """One request's body while it is read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._whole = False
        self._deadline: float | None = None
        self.size = 0

    async def receive(self) -> Message:
        if self._whole:  # what is awaited now is the client's leaving
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + UPLOAD_S
        try:
            async with asyncio.timeout_at(min(now + SILENCE_S, self._deadline)):
                message = await self._receive()
        except TimeoutError:
            raise APIError(408, "the request body did not arrive in time", code="request_timeout") from None
        self.size += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        return message
