"""Waits for what nobody tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(fulfilled: Callable[[], bool], seconds: float = 30.0) -> None:
    """Waits for something to become true; `TimeoutError` if it does not."""
    async with asyncio.timeout(seconds):
        while not fulfilled():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


DEADLINES_S = (0.5, 4.0, 30.0)
"""For what must happen before a deadline: a machine that is too busy for one is given the next."""
