"""The failures that may pass, and the number and timing of further tries."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from selfagg.errors import ModelError

_BUSY = frozenset({429, 503, 529})
_AWAY = frozenset({502, 504})


class TransientError(Exception):
    """A failure that may pass, so that another try makes sense.

    Attributes:
        wait_s: Seconds that the server asked to be left alone.
        unreachable: True if no connection came about at all.
        status: As `ModelError.status`.
    """

    def __init__(
        self, message: str, *, wait_s: float = 0.0, unreachable: bool = False, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.unreachable = unreachable
        self.status = status

    @property
    def busy(self) -> bool:
        """Return True if the server said that it has too much to do now, or that it is not ready."""
        return (self.status in _BUSY or self.wait_s > 0) and not self.unreachable

    @property
    def away(self) -> bool:
        """Return True if no server was there to answer."""
        return self.unreachable or self.status in _AWAY

    def final(self, words: str = "", tries: int = 1, *, gone: bool = False, wait_s: float = 0.0) -> ModelError:
        """Return the same as an error that is not tried again."""
        wait_s = max(self.wait_s, wait_s)
        return ModelError(f"{self}{words}", tries=tries, gone=gone, status=self.status, wait_s=wait_s)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of tries of a call and the time that they may take.

    Attributes:
        tries: Most tries of one call while the server answers others, or before it has answered any. Refusals for
            pace (429, 503, 529, a named wait) are not counted.
        first_s: Longest pause after a first failure. It doubles with each further one, up to
        longest_s: this many seconds.
        patience_s: Seconds without any answer, and with no call at work, after which the server is given up.
        overall_s: No try of a call begins later than this after its first one. Infinite by default.
    """

    tries: int = 6
    first_s: float = 1.0
    longest_s: float = 30.0
    patience_s: float = 300.0
    overall_s: float = math.inf

    def backoff(self, failures: int, *, at_least_s: float = 0.0) -> float:
        """Return the seconds to wait after so many failures in a row: half fixed, half drawn."""
        longest = min(self.longest_s, max(self.first_s, at_least_s) * 2.0 ** min(failures - 1, 30))
        return longest * random.uniform(0.5, 1.0)


def patient(patience_s: float | None) -> RetryPolicy:
    """Return the policy with this patience, or with the default one."""
    return RetryPolicy() if patience_s is None else RetryPolicy(patience_s=patience_s)
