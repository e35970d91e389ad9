"""Work for a client ends as soon as the client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")


class ClientGone(Exception):
    """The client hung up before it had its answer."""


CLEANUPS: Final = 8
"""Requests whose work is cancelled at once; the others wait, so that thousands of hang-ups do not block the loop."""


async def while_present(scope: Scope, receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Await ``work`` for as long as the client is connected; the request's body must have been read.

    Raises:
        ClientGone: The client hung up; ``work`` has been cancelled and has ended.
    """
    cleanups: asyncio.Semaphore = scope["app"].state.cleanups
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        gone.cancel()
        if not task.done():
            await _cancelled(task, cleanups)


async def _cancelled(task: asyncio.Future[Any], cleanups: asyncio.Semaphore) -> None:
    try:
        async with cleanups:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        task.cancel()  # where the wait itself was cancelled


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Stream(Response):
    """A response that sends a body piece by piece, and closes its source when nobody reads any more."""

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(None, status, {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **(headers or {})})
        del self.headers["content-length"]
        self._first, self._rest = first, rest
        self._at_end: Callable[[], None] = lambda: None

    def on_end(self, call: Callable[[], None]) -> None:
        """Call ``call`` when the body has ended, in whatever way."""
        self._at_end = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_present(scope, receive, self._pour(send))
        finally:
            await self._rest.aclose()
            self._at_end()

    async def _pour(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        async for piece in self._rest:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def opened(request: Request, pieces: AsyncGenerator[bytes, None]) -> bytes:
    """Return the first piece, so that an error before it can still be answered with its status."""
    try:
        return await while_present(request.scope, request.receive, _first(pieces))
    except BaseException:
        await pieces.aclose()
        raise


async def _first(pieces: AsyncGenerator[bytes, None]) -> bytes:
    return await anext(pieces, b"")
