"""Run asynchronous work for code that is not, in a notebook too."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def blocking(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end and return its result, whether this thread has a running event loop or not.

    In a thread whose loop runs (a notebook) the work gets a thread and a loop of its own. Ctrl-C ends it in both cases.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    return _in_a_thread(work)


def synchronous(work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Return an asynchronous function as one for code that is not, a notebook too; its name loses the leading ``a``."""

    @functools.wraps(work)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        return blocking(lambda: work(*args, **kwargs))

    called.__name__ = called.__qualname__ = work.__name__.removeprefix("a")
    return called


def _in_a_thread(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
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
