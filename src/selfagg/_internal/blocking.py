"""The place where blocking code meets asynchronous code: event loops, threads, signals."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar, TypeVarTuple

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
    outcome: Future[T] = Future()
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def known() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        begun.set_result((asyncio.get_running_loop(), task))
        return await work()

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(known()))
        except BaseException as error:  # handed to the caller's thread
            outcome.set_exception(error)
        finally:
            begun.cancel()  # wakes who waits for a loop that did not begin

    thread = threading.Thread(target=run, name="selfagg-blocking")
    try:
        thread.start()
        return outcome.result()
    except KeyboardInterrupt:  # the cell was interrupted: end the calls with it
        with suppress(CancelledError, RuntimeError):  # the loop may never have begun, or be closed by now
            loop, task = begun.result()
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join()


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
