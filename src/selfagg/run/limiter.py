"""A bound on the calls in flight that lets the most urgent waiting call through first."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfagg.models.limiter import Limiter

Priority = tuple[int, ...]


class PriorityLimiter:
    """A bound of ``limit`` holders at once; of those who wait, the smallest priority enters next.

    ``asyncio.Semaphore`` serves in order of arrival, which spreads a run over all its questions; with priorities
    (question, deepest population first) questions are finished one after the other. A ``limiter`` lowers ``most`` to
    what the model's servers take, as they tell: so calls wait here, where the most urgent goes first, and not there.
    """

    def __init__(self, most: int, limiter: Limiter[Any] | None = None) -> None:
        self.most = most
        self._limiter = limiter
        self.inside = 0
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()

    @property
    def limit(self) -> int:
        """Return the most holders at this moment."""
        return self.most if self._limiter is None else int(min(self.most, self._limiter.limit))

    @property
    def waiting(self) -> int:
        """Return the number of calls that wait for a place."""
        return sum(not turn.done() for _, _, turn in self._waiting)

    @asynccontextmanager
    async def enter(self, priority: Priority = ()) -> AsyncIterator[None]:
        """Hold one of the places for the length of the ``async with`` block."""
        if self.inside < self.limit:
            self.inside += 1
        else:
            await self._wait(priority)
        try:
            yield
        finally:
            self._leave()

    async def _wait(self, priority: Priority) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the place was handed over as the cancellation came
                self._leave()
            raise

    def _leave(self) -> None:
        self.inside -= 1
        while self._waiting and self.inside < self.limit:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self.inside += 1  # the place goes straight to the next one
                turn.set_result(None)


class FairLimiter(PriorityLimiter):
    """A limiter in which every request has a queue of its own; the queues take turns.

    Start-time fair queueing (Goyal, Vin and Cheng, 1996) with calls of equal weight: a call's tag is its number in
    its queue, counted from the limiter's clock when the queue last had nothing waiting. A request with one call is
    next in line, however many calls another one has queued.
    """

    clock = 0

    def request_limiter(self) -> RequestLimiter:
        """Return a new limiter for the calls of one request."""
        return RequestLimiter(self)


class RequestLimiter:
    """A queue for the calls of one request."""

    def __init__(self, shared: FairLimiter) -> None:
        self._shared = shared
        self._next = 0

    @property
    def limit(self) -> int:
        """Return the most holders at this moment, of all queues together."""
        return self._shared.limit

    @asynccontextmanager
    async def enter(self, priority: Priority = ()) -> AsyncIterator[None]:
        """Hold one of the shared places; ``priority`` orders the calls of this request."""
        tag = max(self._next, self._shared.clock)
        self._next = tag + 1
        async with self._shared.enter((tag, *priority)):
            self._shared.clock = max(self._shared.clock, tag)
            yield


CallLimiter = PriorityLimiter | RequestLimiter
