"""A world in which only waiting takes time: what is simulated there measures the same on every machine."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from async_solipsism import EventLoop  # type: ignore[import-untyped]

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on a clock that moves only while all tasks wait, at once to when the first of them goes on.

    The loop's ``time()`` tells it, in seconds. There are no threads, sockets or processes in that world.
    """
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(main)
