"""Pass calls to servers at the pace that they take, and try calls again: one loop for every failure."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from selfagg.errors import ModelError
from selfagg.models.pace import Pace, RetryPolicy, TransientError

TELL_S = 3.0
"""The shortest wait, in seconds, of which a person is told."""
LOOK_S = 1.0
"""Seconds until the next look at the servers while all are full."""
SLACK_S = 0.001
"""The time that a timer may come too early: clocks have a limited resolution."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class Paced(Protocol):
    """A server that has a pace of its own."""

    pace: Pace


S = TypeVar("S", bound=Paced)


class Listener(Protocol):
    """A receiver of notes on waits; see `selfagg.run.engine.Callback`."""

    def waiting(self, why: str | None) -> None:
        """Receive the reason for which no call is made now; None: calls go on."""


@dataclass(slots=True)
class _Line(Generic[S]):
    """The calls of one event loop that wait, and when to look again."""

    waiting: list[tuple[int, asyncio.Future[S]]] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Limiter(Generic[S]):
    """A queue of calls to one or several servers of the same model, which tries failed calls again.

    Each call goes to the server with the fewest calls in flight among those that take calls now. Where none takes
    calls, the calls wait in order of arrival. Listeners are told of waits; they are held weakly.
    """

    def __init__(self, policy: RetryPolicy, servers: Sequence[S], listeners: WeakSet[Listener] | None = None) -> None:
        self.policy = policy
        self.servers = list(servers)
        self.listeners: WeakSet[Listener] = WeakSet() if listeners is None else listeners
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line[S]] = WeakKeyDictionary()
        self._places = itertools.count()
        self._taken_at: float | None = None  # the latest begin of a call that was answered
        self._trouble_since: float | None = None
        self._told_until: float | None = None

    @property
    def limit(self) -> float:
        return sum(server.pace.limit for server in self.servers)

    def least_busy(self) -> S:
        """Return the server that is best asked now."""
        now = _now()
        return min(self.servers, key=lambda server: (server.pace.opens_at > now, len(server.pace.flights)))

    async def run(self, call: Callable[[S], Awaitable[T]]) -> tuple[T, int]:
        """Call a server until the call succeeds; return the result and the number of tries.

        A try counts if servers took calls since the last one: else the server failed, and not the call.

        Raises:
            ModelError: The call failed for good, or tries or patience ran out. `TransientError` is what may pass.
        """
        begun = failed_at = _now()
        place, tries, counted = next(self._places), 0, 0
        try:
            while True:
                server, flight = await self._turn(place, begun)
                tries += 1
                try:
                    return await self._try(server, flight, call), tries
                except TransientError as error:
                    counted += not error.busy and (self._taken_at is None or self._taken_at > failed_at)
                    failed_at = _now()
                    if counted >= self.policy.tries:
                        raise error.final(f" (given up after {_often(tries)})") from None
                    self._check_patience(error, begun)
                    if server.pace.error is not error:  # the server is not closed: this call alone waits
                        await asyncio.sleep(self.policy.backoff(tries))
                    if not error.busy:  # its place goes to another one, which may have better luck
                        place = next(self._places)
        except ModelError as error:
            error.tries = max(1, tries)
            raise

    async def _try(self, server: S, flight: object, call: Callable[[S], Awaitable[T]]) -> T:
        pace = server.pace
        refused: ModelError | None = None
        try:
            try:
                result = await call(server)
            except TransientError as error:
                self._failed(pace, flight, error)
                raise
            except ModelError as error:  # a refusal for good is an answer too
                refused = error
            self._taken_at = max(self._taken_at or 0.0, pace.flights[flight])
            self._trouble_since = None
            pace.answered(flight)
            self._tell(None, None)
            if refused:
                raise refused
            return result
        finally:
            pace.drop(flight)
            self._dispatch()

    def _failed(self, pace: Pace, flight: object, error: TransientError) -> None:
        now, since = _now(), pace.flights[flight]
        others = any(start < since for server in self.servers for start in server.pace.flights.values())
        if self._trouble_since is None or others:  # a server still works on a call that began before
            self._trouble_since = now
        if not pace.failed(flight, error, now):
            log.info("trying again: %s", error)
            return
        if not error.wait_s:  # the last try comes when patience ends
            end = max(now, self._trouble_since + self.policy.patience_s)
            pace.closed_until = min(pace.closed_until, end)
        log.info("waiting %.3g s: %s", pace.closed_until - now, error)

    # -- patience

    def _check_patience(self, error: TransientError, begun: float) -> None:
        now, policy = _now(), self.policy
        closings = min(server.pace.closings for server in self.servers)
        if self._taken_at is None and not error.busy and closings > policy.tries:
            raise self._gone(error, f" (given up after {_often(policy.tries)})", 0.0)
        opens_in = self._opens_in(now)
        left = policy.patience_s - (0.0 if self._trouble_since is None else now - self._trouble_since)
        if left <= 0:
            words = f" (no answer for {policy.patience_s:g} s)" if policy.patience_s else ""
            raise self._gone(error, words, opens_in)
        if min(opens_in, error.wait_s) > left:
            raise self._gone(error, self._too_long(error.wait_s), opens_in)
        if now + opens_in > begun + policy.overall_s:
            raise error.final(gone=error.busy or error.unreachable, wait_s=opens_in)

    def _opens_in(self, now: float) -> float:
        return max(0.0, min(server.pace.closed_until for server in self.servers) - now)

    def _too_long(self, wait_s: float) -> str:
        most = f"more than the patience of {self.policy.patience_s:g} s, which --patience or patience_s sets"
        return f" (it asks to wait {seconds(wait_s)}, {most})"

    def _gone(self, error: TransientError, words: str, wait_s: float) -> ModelError:
        """Give up all calls that wait; the next call begins with new patience."""
        self._trouble_since = None
        self._tell(None, None)
        gone = error.busy or error.unreachable
        for _, turn in self._line.waiting:
            if not turn.done():
                turn.set_exception(error.final(words, gone=gone, wait_s=wait_s))
        return error.final(words, gone=gone, wait_s=wait_s)

    # -- the queue

    @property
    def _line(self) -> _Line[S]:
        return self._lines.setdefault(asyncio.get_running_loop(), _Line())

    async def _turn(self, place: int, begun: float) -> tuple[S, object]:
        """Wait until a server takes a call; return the server, and the call's mark among those in flight."""
        now, line = _now(), self._line
        if not line.waiting and (server := self._free(now)):
            flight = object()
            server.pace.start(flight, now)
            return server, flight
        if (wait_s := self._opens_in(now)) > self.policy.patience_s:
            raise self._gone(self._last_error(), self._too_long(wait_s), wait_s)
        turn: asyncio.Future[S] = asyncio.get_running_loop().create_future()
        heapq.heappush(line.waiting, (place, turn))
        self._dispatch()
        end = None if math.isinf(self.policy.overall_s) else max(now, begun + self.policy.overall_s)
        try:
            async with asyncio.timeout_at(end):
                return await turn, turn
        except (asyncio.CancelledError, TimeoutError) as ended:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # its turn came at the same moment
                turn.result().pace.drop(turn)
                self._dispatch()
            if isinstance(ended, TimeoutError):
                raise self._last_error().final(gone=True, wait_s=self._opens_in(_now())) from None
            raise

    def _last_error(self) -> TransientError:
        errors = [server.pace.error for server in self.servers if server.pace.error]
        return errors[-1] if errors else TransientError("all servers are busy", status=429)

    def _free(self, now: float) -> S | None:
        free = [server for server in self.servers if not server.pace.full and server.pace.opens_at <= now + SLACK_S]
        return min(free, key=lambda server: len(server.pace.flights), default=None)

    def _dispatch(self) -> None:
        """Give those who wait their turns, as many as servers take now."""
        line = self._line
        while line.waiting:
            now = _now()
            server = self._free(now)
            if server is None:
                self._wake_later(line, now)
                return
            _, turn = heapq.heappop(line.waiting)
            if not turn.done():
                server.pace.start(turn, now)
                turn.set_result(server)

    def _wake_later(self, line: _Line[S], now: float) -> None:
        if line.timer:
            line.timer.cancel()
        # Where all places are taken, a call that ends makes room; one of another event loop is seen a little later.
        opens = [server.pace.opens_at for server in self.servers if not server.pace.full]
        line.timer = asyncio.get_running_loop().call_at(min(opens, default=now + LOOK_S), self._dispatch)
        closed_until = min(server.pace.closed_until for server in self.servers)
        if closed_until - now >= TELL_S:
            self._tell(closed_until, f"waiting {seconds(closed_until - now)}: {self._last_error()}")

    def _tell(self, until: float | None, why: str | None) -> None:
        """Tell listeners once of a wait until a time, and once that it is over."""
        if until != self._told_until:
            self._told_until = until
            for listener in list(self.listeners):
                listener.waiting(why)


def seconds(duration: float) -> str:
    """Return a duration for people: ``40 s``, ``3000 s (50 min)``."""
    whole = f"{max(1, round(duration)):.6g} s"
    return whole if not 600 <= duration < 1e6 else f"{whole} ({duration / 60:.0f} min)"


def _often(tries: int) -> str:
    return "one try" if tries == 1 else f"{tries} tries"


def _now() -> float:
    return asyncio.get_running_loop().time()
