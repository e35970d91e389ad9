"""A bound on the requests that are open at once: past it, clients are asked to come back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from selfagg.server.errors import APIError

_LONGEST_WAIT_S = 60.0
_WEIGHT = 0.1  # of the newest request in the running mean


class Admission:
    """A gatekeeper that lets requests in while there is room.

    Attributes:
        open: Requests inside: those whose calls run, and those that wait for their turn.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0
        self._mean_s = 1.0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold one of the places for open requests.

        Raises:
            APIError: 429 with Retry-After: about how long it takes until a place is free.
        """
        if self.open >= self.limit:
            wait_s = min(_LONGEST_WAIT_S, max(1.0, self._mean_s / max(1, self.limit)))
            raise APIError(
                429, f"{self.open} requests are open, as many as this server takes", code="queue_full", wait_s=wait_s
            )
        self.open += 1
        start = time.monotonic()
        try:
            yield
        finally:
            self.open -= 1
            self._mean_s += _WEIGHT * (time.monotonic() - start - self._mean_s)
