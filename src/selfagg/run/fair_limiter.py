"""A limiter for many requests at once, which gives each request its turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from selfagg.run.limiter import Priority, PriorityLimiter

if TYPE_CHECKING:
    from selfagg.models.limiter import Limiter


class CallLimiter(Protocol):
    """A bound on the calls in flight: a `PriorityLimiter`, or one request's `RequestLimiter` before it."""

    @property
    def limit(self) -> int:
        """Return the most holders at this moment."""
        ...

    def enter(self, priority: Priority = ()) -> AbstractAsyncContextManager[None]:
        """Hold a place for one call during the ``async with`` block."""
        ...


class FairLimiter(PriorityLimiter):
    """A limiter in which every request has a queue of its own; the queues take turns.

    Start-time fair queueing (Goyal, Vin and Cheng, 1996) with calls of equal weight: a call's tag is its number in
    its queue, counted from the limiter's clock when the queue last had nothing waiting. A request with one call is
    next in line, however many calls another one has queued.
    """

    def __init__(self, most: int, limiter: Limiter[Any] | None = None) -> None:
        super().__init__(most, limiter)
        self.clock = 0

    def request_limiter(self) -> RequestLimiter:
        """Return a new limiter for the calls of one request."""
        return RequestLimiter(self)


class RequestLimiter:
    """A queue for the calls of one request."""

    def __init__(self, call_limiter: FairLimiter) -> None:
        self._gate = call_limiter
        self._next = 0

    @property
    def limit(self) -> int:
        """Return the most holders at this moment, of all queues together."""
        return self._gate.limit

    @asynccontextmanager
    async def enter(self, priority: Priority = ()) -> AsyncIterator[None]:
        """Hold one of the shared places; ``priority`` orders the calls of this request."""
        tag = max(self._next, self._gate.clock)
        self._next = tag + 1
        async with self._gate.enter((tag, *priority)):
            self._gate.clock = max(self._gate.clock, tag)
            yield
