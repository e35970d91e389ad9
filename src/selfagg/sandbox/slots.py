"""As many programs at a time as there are processors, each on its own."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from weakref import WeakKeyDictionary

from selfagg._internal.machine import cores, processors

_SEATS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Queue[int]] = WeakKeyDictionary()
"""The processors that no program has, for each event loop: a queue belongs to one."""


@contextlib.asynccontextmanager
async def cpu_seat() -> AsyncIterator[int]:
    """Wait for a processor, and give its number. Hold one for each program that is run."""
    loop = asyncio.get_running_loop()
    if loop not in _SEATS:
        _SEATS[loop] = asyncio.Queue()
        for cpu in _processors():
            _SEATS[loop].put_nowait(cpu)
    free = _SEATS[loop]
    cpu = await free.get()
    try:
        yield cpu
    finally:
        free.put_nowait(cpu)


def _processors() -> list[int]:
    """Return one processor for each core that this process may use.

    Under a quota (a container) the processors are drawn: all containers of a machine must not crowd on its first ones.
    """
    allowed = processors()
    return sorted(random.sample(allowed, cores()))
