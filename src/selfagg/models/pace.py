"""The pace at which one server is called: calls in flight, pauses, the gap between two calls. All of it is learnt."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from selfagg.errors import ModelError

FAULTS_IN_A_ROW = 4
"""Failures of any kind without an answer between them, after which a server is asked by one call at a time."""
DECAY = 0.93
"""The gap between two calls shrinks by this factor with each answer, until the server refuses again."""
WEIGHT = 1 / 16
"""Weight of the last call in the share of refused calls."""
RARE = 0.1
"""A share of refused calls below this one concerns these calls alone, unless the server names a wait."""
MOST_ROUNDS = 32
"""A server that refused one call more than it held is asked for one more after 1, 2, 4, ... at most so many rounds."""
SHORTEST_GAP_S, LONGEST_GAP_S = 0.01, 10.0


class TransientError(Exception):
    """A failure that may pass, so that another try makes sense; ``unreachable``: no connection came about at all."""

    def __init__(
        self, message: str, *, wait_s: float = 0.0, unreachable: bool = False, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.wait_s, self.unreachable, self.status = wait_s, unreachable, status

    @property
    def busy(self) -> bool:
        """Return True if the server said that it has too much to do now, or that it is not ready."""
        return (self.status in (429, 503, 529) or self.wait_s > 0) and not self.unreachable

    @property
    def away(self) -> bool:
        """Return True if no server was there to answer."""
        return self.unreachable or self.status in (502, 504)

    def final(self, words: str = "", *, gone: bool = False, wait_s: float = 0.0) -> ModelError:
        """Return the error that ends the call."""
        return ModelError(f"{self}{words}", gone=gone, status=self.status, wait_s=max(self.wait_s, wait_s))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of tries of a call and the time, in seconds, that they may take."""

    # Of one call while the server answers others, or before it has answered any; refusals for pace (429, 503, 529, a
    # named wait) are not counted.
    tries: int = 6
    first_s: float = 1.0  # longest pause after a first failure; it doubles with each further one, up to longest_s
    longest_s: float = 30.0
    patience_s: float = 300.0  # without any answer, and with no call at work: the server is given up
    overall_s: float = math.inf  # from a call's first try: no other one begins later

    def backoff(self, failures: int, *, at_least_s: float = 0.0) -> float:
        """Return the seconds to wait after so many failures in a row: half fixed, half drawn."""
        longest = min(self.longest_s, max(self.first_s, at_least_s) * 2.0 ** min(failures - 1, 30))
        return longest * random.uniform(0.5, 1.0)


class Pace:
    """The pace of the calls to one server. Times are seconds of one monotonic clock.

    The number of calls in flight follows AIMD (additive increase, multiplicative decrease): a refusal lowers it by half
    the share of refused calls, as in DCTCP (Alizadeh et al., 2010), or to the calls that the server still works on;
    full rounds of answers raise it by 1, 2, 4, ... A refusal also pauses all calls, unless it is rare; after the pause
    one call after the other tries, until one is answered. A server that goes on to refuse calls although it works on
    none limits the rate: its answers per second, pauses included, are the rate to keep.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self.limit = math.inf  # most calls in flight; infinite until the server refuses one
        self.flights: dict[object, float] = {}  # start of each call in flight, earliest first
        self.closed_until = 0.0  # no call begins before this time
        self.error: TransientError | None = None  # the failure that closed the server last
        self.closings = 0  # in a row, without an answer between
        self._policy = policy
        self._closed = self._probing = self._limits_rate = False
        self._closed_at = -math.inf
        self._next_at = self._gap_s = self._refused = 0.0
        self._faults = self._full_answers = 0
        self._held = math.inf
        self._step = self._rounds = 1
        self._period_begun, self._period_answers = math.nan, 0

    @property
    def full(self) -> bool:
        return len(self.flights) >= self.limit

    @property
    def opens_at(self) -> float:
        """Return the time from which the server takes a call, if a place is free."""
        return max(self.closed_until, self._next_at)

    def start(self, call: object, now: float) -> None:
        self.flights[call] = now
        if math.isnan(self._period_begun):
            self._period_begun = now
        self._next_at = now + max(self._gap_s, self._policy.first_s if self._probing else 0.0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Count the block as a call in flight, outside of a `Limiter`'s loop."""
        call = object()
        self.flights[call] = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self.drop(call)

    def drop(self, call: object) -> None:
        self.flights.pop(call, None)

    def answered(self, call: object) -> None:
        """Take an answer into account."""
        busy = len(self.flights)
        started = self.flights.pop(call)
        self._faults = self.closings = 0
        self._refused *= 1 - WEIGHT
        self._gap_s = self._gap_s * DECAY if self._gap_s * DECAY > SHORTEST_GAP_S else 0.0
        if self._closed and started >= self._closed_at:  # call freely again, or at the rate that was learnt
            if self._limits_rate and self._period_answers:
                self._gap_s = min((started - self._period_begun) / self._period_answers, LONGEST_GAP_S)
            self._period_begun, self._period_answers = started, 0
            self._closed = self._probing = self._limits_rate = False
        self._period_answers += 1
        if busy >= self.limit:
            self._rise()

    def failed(self, call: object, error: TransientError, now: float) -> bool:
        """Take a failure into account; return True if it closes the server, False if it concerns this call alone."""
        busy = len(self.flights)
        fresh = self.flights.pop(call) >= self._closed_at  # else it began before the last closing: no further news
        self._faults += 1
        self._refused += (error.busy - self._refused) * WEIGHT
        if error.busy and busy > 1:
            self._shrink(busy, fresh)
        rare = error.busy and busy > 1 and self._refused < RARE
        if not error.wait_s and (rare or not (error.busy or error.away or self._faults >= FAULTS_IN_A_ROW)):
            return False
        if fresh:
            self.closings += 1
            self._closed, self._closed_at, self._probing = True, now, not rare
        self._limits_rate |= busy == 1 and error.status == 429 and self.closings > 1
        pause = self._policy.backoff(self.closings, at_least_s=self._gap_s) if fresh else 0.0
        self.closed_until = max(self.closed_until, now + error.wait_s + pause)
        self.error = error
        return True

    def lost(self, why: str) -> None:
        """Close the server before its first call: it could not be reached."""
        call, now = object(), asyncio.get_running_loop().time()
        self.start(call, now)
        self.failed(call, TransientError(why, unreachable=True), now)

    def _shrink(self, busy: int, fresh: bool) -> None:
        """Lower the limit by half the share of refused calls, or to the calls that the server still works on."""
        rest = busy - 1
        if fresh:
            self._rounds = min(2 * self._rounds, MOST_ROUNDS) if rest == self._held else 1
        lower = min(self.limit, busy) * (1 - self._refused / 2) if fresh else self.limit
        self.limit = max(1, int(min(lower, rest)))
        self._held, self._step, self._full_answers = rest, 1, 0

    def _rise(self) -> None:
        """Raise the limit, now that it was reached: quickly up to what the server held, then carefully."""
        if self.limit < self._held:
            self.limit += 1
            return
        self._full_answers += 1
        if self._full_answers >= self.limit * (self._rounds if self.limit == self._held else 1):
            self.limit += self._step
            self._step, self._full_answers = 2 * self._step, 0
