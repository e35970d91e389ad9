"""A circuit breaker: tells a model that fails now and then from one that is gone, and waits for it to come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from selfagg.errors import ModelError, SelfaggError

FAILURES_IN_A_ROW = 16
"""So many failed calls, each retried, with none that worked between them: the model is gone."""

PATIENCE_S = 300.0
"""Seconds that a run waits for a model that has answered before: as long as a server takes to be started again."""

FIRST_PAUSE_S = 1.0
"""Before the first try of a model that is gone; doubled with each further one, up to"""

LONGEST_PAUSE_S = 30.0
"""this."""


class RunStopped(SelfaggError):
    """The model cannot be reached any more; what is finished is in the record.

    Attributes:
        fatal: Whether it refuses what the user gave (a wrong key), as `ModelError.fatal` says.
    """

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.fatal = fatal


class Breaker:
    """Stands before every call of a run.

    Closed, it counts the failures in a row. After `FAILURES_IN_A_ROW` of a model that has answered before it opens:
    no call is made but one at a time, after pauses that double, until one gets through (it closes) or patience ends
    (the run stops). A call that the model's absence took down waits with the others and is made again. A model that
    never answered, or that refuses what it is asked, stops the run at once.
    """

    def __init__(self, patience_s: float, tell: Callable[[str | None], None]) -> None:
        """Closes the breaker.

        Args:
            patience_s: Seconds from the opening to the last try; 0.0 stops the run at once.
            tell: Told why the run waits when it begins to, and None when it goes on.
        """
        self._patience_s = patience_s
        self._tell = tell
        self._row = 0
        self._answered = False
        self._open_since: float | None = None
        self._pause_s = 0.0
        self._stopped: RunStopped | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """Waits until a call makes sense, and goes around it; whether the call is one to try if the model is back.

        Raises:
            RunStopped: None makes sense any more.
        """
        if self._open_since is not None:
            async with self._turn:  # in order of arrival; while it is open, the call itself is within
                if self._open_since is not None:
                    await self._pause()
                    self._check()
                    yield True
                    return
        self._check()
        yield False

    def worked(self, trying: bool) -> None:
        """A call got its reply; where the model is gone, only one that was made since tells that it is back.

        Args:
            trying: What `turn` gave.
        """
        self._answered = True
        if trying and self._open_since is not None:
            self._open_since = None
            self._tell(None)
        if self._open_since is None:
            self._row = 0

    def failed(self, error: ModelError) -> bool:
        """A call failed; whether that is the model's absence, which the call should wait out rather than count.

        Raises:
            RunStopped: This was one too many.
        """
        self._check()
        self._row += 1
        if error.fatal:
            self._stop(str(error), error)
        elif self._open_since is not None:
            if time.monotonic() - self._open_since >= self._patience_s:
                self._stop(f"the model did not come back within {self._patience_s:g} s; the last: {error}", error)
        elif self._row >= FAILURES_IN_A_ROW:
            why = f"{FAILURES_IN_A_ROW} calls in a row failed; the last: {error}"
            if not (self._answered and self._patience_s and _may_pass(error)):
                self._stop(why, error)
            self._open_since, self._pause_s = time.monotonic(), FIRST_PAUSE_S
            self._tell(why)
        return self._open_since is not None and _may_pass(error)

    async def _pause(self) -> None:
        assert self._open_since is not None  # noqa: S101 - for the type checker
        left_s = self._open_since + self._patience_s - time.monotonic()
        await asyncio.sleep(max(0.0, min(self._pause_s, left_s)))
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _check(self) -> None:
        if self._stopped:
            raise self._stopped

    def _stop(self, why: str, cause: ModelError) -> None:
        self._stopped = RunStopped(why, fatal=cause.fatal)
        raise self._stopped from cause


def _may_pass(error: ModelError) -> bool:
    """Whether it is the model that failed, and not the call that it refuses."""
    return error.status is None or error.status >= 500 or error.status in (408, 409, 425, 429)
