"""Work for a client ends as soon as the client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")
Pieces = AsyncGenerator[bytes, None]

EVENTS: Final = {"Content-Type": "text/event-stream; charset=utf-8"}

CLEANUPS: Final = 8
"""Requests whose work is cancelled at once; the others wait, so that thousands of hang-ups do not block the loop."""

_turns: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]] = WeakKeyDictionary()


class ClientGone(Exception):
    """The client hung up before it had its answer."""


async def while_present(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Await ``work`` for as long as the client is connected; the request's body must have been read.

    Raises:
        ClientGone: The client hung up; ``work`` has been cancelled and has ended.
    """

    async def leaving() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(leaving())
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        gone.cancel()
        if not task.done():
            await _cancelled(task)


async def _cancelled(task: asyncio.Future[Any]) -> None:
    turns = _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(CLEANUPS))
    try:
        async with turns:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        task.cancel()  # where the wait itself was cancelled


async def opened(receive: Receive, pieces: Pieces) -> bytes:
    """Return the first piece, so that an error before it can still be answered with its status."""

    async def first() -> bytes:
        return await anext(pieces, b"")

    try:
        return await while_present(receive, first())
    except BaseException:
        await pieces.aclose()
        raise


class Stream(Response):
    """A response that sends a body piece by piece, and closes its source when nobody reads any more."""

    def __init__(self, first: bytes, rest: Pieces, status: int = 200, headers: Mapping[str, str] = EVENTS) -> None:
        super().__init__(None, status, {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **headers})
        del self.headers["content-length"]
        self._first, self._rest = first, rest
        self.at_end: Callable[[], None] = lambda: None  # called when the body has ended, in whatever way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_present(receive, self._pour(send))
        finally:
            await self._rest.aclose()
            self.at_end()

    async def _pour(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        async for piece in self._rest:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
