"""Work on large texts, kept off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

_LARGE = 200_000

_Given = TypeVarTuple("_Given")
_Made = TypeVar("_Made")


async def in_thread_if_large(function: Callable[[*_Given], _Made], *given: *_Given, size: int) -> _Made:
    """Call a function here, or in a thread where ``size`` says that the event loop would feel it."""
    if size < _LARGE:
        return function(*given)
    return await asyncio.to_thread(function, *given)
