"""Trying a call again: how often, how long to wait between, when to give up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

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

    def wait(self, state: RetryCallState) -> float:
        """Seconds to wait after the failure in ``state``; drawn anew each time."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait_s if isinstance(error, Passing) else 0.0
        return asked + wait_random_exponential(multiplier=self.first_s, max=self.longest_s)(state)

    async def run(self, call: Callable[[], Awaitable[T]]) -> tuple[T, int]:
        """Calls until it succeeds; returns the result and the number of tries.

        Raises:
            ModelError: The call still failed when tries or patience ran out, or it failed for good.
        """
        trying = AsyncRetrying(
            retry=retry_if_exception_type(Passing),
            wait=self.wait,
            stop=stop_after_attempt(self.tries) | stop_before_delay(self.patience_s),
            reraise=True,
        )
        tries = 0
        try:
            async for attempt in trying:
                with attempt:
                    tries += 1
                    return await call(), tries
        except Passing as last:
            often = "one try" if tries == 1 else f"{tries} tries"
            asked = f", and it asks to wait {last.wait_s:.6g} s" if last.wait_s > self.patience_s else ""
            raise last.final(f" (given up after {often}{asked})", tries) from None
        except ModelError as error:
            error.tries = tries
            raise
        raise AssertionError("unreachable: tenacity either returns a try or raises")  # pragma: no cover
