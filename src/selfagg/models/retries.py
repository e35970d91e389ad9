"""Trying a call again: how often, how long to wait between, when to give up."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from selfagg.errors import ModelError

T = TypeVar("T")


class Passing(Exception):
    """A failure that may pass, so that another try makes sense.

    Attributes:
        wait_s: Seconds that the server asked to be left alone.
        unreachable: Whether no connection came about at all.
        status: As `ModelError.status`.
    """

    def __init__(
        self, message: str, *, wait_s: float = 0.0, unreachable: bool = False, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.unreachable = unreachable
        self.status = status

    def final(self, words: str = "", tries: int = 1) -> ModelError:
        """The same as an error that is not tried again."""
        return ModelError(f"{self}{words}", tries=tries, status=self.status, wait_s=self.wait_s)


@dataclass(frozen=True, slots=True)
class Retries:
    """Exponential back-off with full jitter, on top of what the server asks for.

    The jitter comes on top of a server's Retry-After as well, or all calls in flight would come back at once.

    Attributes:
        tries: Most tries of one call.
        first_s: Longest wait after the first failure; it doubles with each further one, up to
        longest_s: this many seconds.
        patience_s: No try begins later than this after the first: a server that asks to wait longer is given up
            at once.
    """

    tries: int = 6
    first_s: float = 1.0
    longest_s: float = 30.0
    patience_s: float = 300.0

    def wait(self, failed: int, asked_s: float = 0.0) -> float:
        """Seconds to wait after the ``failed``-th failure; drawn anew each time.

        Args:
            failed: Tries so far.
            asked_s: What the server asked for.
        """
        return asked_s + random.uniform(0.0, min(self.longest_s, self.first_s * 2.0 ** min(failed - 1, 60)))

    async def run(self, call: Callable[[], Awaitable[T]]) -> tuple[T, int]:
        """Calls until it succeeds; returns the result and the number of tries.

        Raises:
            ModelError: The call still failed when tries or patience ran out, or it failed for good.
        """
        begun = time.monotonic()
        for tries in range(1, self.tries + 1):
            try:
                return await call(), tries
            except ModelError as error:
                error.tries = tries
                raise
            except Passing as failure:
                wait_s = self.wait(tries, failure.wait_s)
                if tries == self.tries or time.monotonic() - begun + wait_s >= self.patience_s:
                    raise self._given_up(failure, tries) from None
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable: the last try returns or raises")  # pragma: no cover

    def _given_up(self, last: Passing, tries: int) -> ModelError:
        often = "one try" if tries == 1 else f"{tries} tries"
        asked = f", and it asks to wait {last.wait_s:.0f} s" if last.wait_s > self.patience_s else ""
        return last.final(f" (given up after {often}{asked})", tries)
