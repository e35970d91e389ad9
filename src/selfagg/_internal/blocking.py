"""The place where blocking code meets asynchronous code: event loops, threads, signals."""

from __future__ import annotations

import asyncio
import functools
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, ParamSpec, TypeVar, TypeVarTuple

P = ParamSpec("P")
T = TypeVar("T")
Given = TypeVarTuple("Given")

_LARGE = 200_000


def blocking(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end and return its result, whether this thread has a running event loop or not.

    In a thread whose loop runs (a notebook) the work gets a thread and a loop of its own. Ctrl-C ends it in both cases.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop = runner.get_loop()

    def serve() -> None:
        with runner:
            loop.run_forever()

    thread = threading.Thread(target=serve, name="selfagg-blocking")
    thread.start()
    try:
        outcome = asyncio.run_coroutine_threadsafe(work(), loop)
        try:
            return outcome.result()
        finally:
            outcome.cancel()  # does nothing but after Ctrl-C: the cell was interrupted, its calls end with it
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def synchronous(work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Return an asynchronous function as one for code that is not, a notebook too; its name loses the leading ``a``."""

    @functools.wraps(work)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        return blocking(lambda: work(*args, **kwargs))

    called.__name__ = called.__qualname__ = work.__name__.removeprefix("a")
    return called


async def in_thread_if_large(function: Callable[[*Given], T], *given: *Given, size: int) -> T:
    """Call a function here, or in a thread where ``size`` says that the event loop would feel it."""
    if size < _LARGE:
        return function(*given)
    return await asyncio.to_thread(function, *given)


@contextmanager
def heard_by(
    handler: Callable[[int, FrameType | None], object] | signal.Handlers, *numbers: signal.Signals
) -> Iterator[None]:
    """Give these signals to a handler for the length of the block, and then back to their former handlers.

    Args:
        handler: Called with each; ``signal.SIG_IGN``: nobody hears them.
        numbers: The signals; none: SIGINT and SIGTERM.
    """
    before = {number: signal.signal(number, handler) for number in numbers or (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
