"""The queue for the calls in flight: so many at once, the most urgent first, and requests of a server in turns.

What a server takes, and what is tried again, is `selfagg.models.limiter`'s.
"""

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


class CallQueue:
    """A bound of ``limit`` calls at once; of those that wait, the smallest priority enters next.

    ``asyncio.Semaphore`` serves in order of arrival, which spreads a run over all its questions; with priorities
    (question, deepest population first) questions are finished one after the other. A ``limiter`` lowers ``most`` to
    what the model's servers take, as they tell: so calls wait here, where the most urgent goes first, and not there.
    """

    def __init__(self, most: int, limiter: Limiter[Any] | None = None) -> None:
        self.most, self.inside, self.clock = most, 0, 0
        self._limiter = limiter
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()

    @property
    def limit(self) -> int:
        """Return the most calls at this moment."""
        return self.most if self._limiter is None else int(min(self.most, self._limiter.limit))

    @property
    def waiting(self) -> int:
        """Return the number of calls that wait for a place."""
        return sum(not turn.done() for _, _, turn in self._waiting)

    @asynccontextmanager
    async def enter(self, priority: Priority = ()) -> AsyncIterator[None]:
        """Hold one of the places for the length of the ``async with`` block."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._arrivals), turn))
        try:
            self._let_in()
            await turn
            yield
        finally:
            if not turn.cancelled():  # else it never had a place: a cancelled task cancels the turn that it awaits
                self.inside -= 1
            self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self.inside < self.limit:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self.inside += 1
                turn.set_result(None)

    def request(self) -> RequestQueue:
        """Return a queue for the calls of one request, which takes turns with those of others."""
        return RequestQueue(self)


class RequestQueue:
    """A request's own queue for the places of a shared one.

    Start-time fair queueing (Goyal, Vin and Cheng, 1996) with calls of equal weight: a call's tag is its number in
    its queue, counted from the shared clock when the queue last had nothing waiting. A request with one call is
    next in line, however many calls another one has queued.
    """

    def __init__(self, shared: CallQueue) -> None:
        self._shared = shared
        self._next = 0

    @property
    def limit(self) -> int:
        """Return the most calls at this moment, of all requests together."""
        return self._shared.limit

    @asynccontextmanager
    async def enter(self, priority: Priority = ()) -> AsyncIterator[None]:
        """Hold one of the shared places; ``priority`` orders the calls of this request."""
        tag = max(self._next, self._shared.clock)
        self._next = tag + 1
        async with self._shared.enter((tag, *priority)):
            self._shared.clock = max(self._shared.clock, tag)
            yield
