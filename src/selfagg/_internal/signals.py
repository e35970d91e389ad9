"""Handling of Ctrl-C and SIGTERM for the length of a block."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def heard_by(
    handler: Callable[[int, FrameType | None], object] | signal.Handlers, *numbers: signal.Signals
) -> Iterator[None]:
    """Give these signals to a handler for the length of the block, and then back to their former handlers.

    Args:
        handler: Called with each; ``signal.SIG_IGN``: nobody hears them.
        numbers: The signals; none: all that stop a process politely.
    """
    before = {number: signal.signal(number, handler) for number in numbers or STOPPING}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
