"""Worker processes for checks that may hang, crash or read hostile text.

One process a core, started when first needed, shared by all event loops of this process. A call past its time
limit kills its worker; the next call starts another. Workers end with this process, even when it is killed.

Why not ``multiprocessing``: ``fork`` copies a process that has threads and an event loop; ``spawn`` and
``forkserver`` import the caller's ``__main__`` again, which runs a script without a guard once more; and both
hand results over as pickles, which a worker taken over by what it read could forge. Plain processes that are
spoken to in JSON have none of the three.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from selfagg.errors import SelfaggError

_LOADING = 120.0
"""Seconds that a worker may take to start and to import what a call needs; not part of the call's own limit."""

_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
"""What a worker sees of the environment: no keys."""


class WorkerError(SelfaggError):
    """A call failed in its worker.

    Attributes:
        error: Name of the exception that the function raised, or ``""`` where the worker itself died.
    """

    def __init__(self, message: str, error: str = "") -> None:
        super().__init__(message)
        self.error = error


def cores() -> int:
    """Cores this process may use: the number of workers."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


async def run(function: str, *args: Any, timeout_s: float) -> Any:
    """Calls a function in a worker process, without blocking the event loop.

    Args:
        function: ``module:name``; the module is imported in the worker only.
        *args: JSON values.
        timeout_s: Seconds of wall time that the call itself may take; waiting for a worker and importing the
            module do not count.

    Returns:
        What the function returned: a JSON value.

    Raises:
        TimeoutError: The call took longer and was killed.
        WorkerError: The function raised, or its process died.
        SelfaggError: The worker could not start, or not import the function.
    """
    call = _Call(json.dumps({"function": function, "args": args}).encode() + b"\n", timeout_s)
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads(), call.run)
    except asyncio.CancelledError:
        call.cancel()
        raise


def close() -> None:
    """Ends all workers at once. The next call starts new ones."""
    global _executor
    with _lock:
        executor, _executor = _executor, None
        processes = list(_processes)
    for process in processes:
        process.kill()
    if executor is not None:
        executor.shutdown(cancel_futures=True)
    for process in processes:
        process.end()


class _Process:
    """One worker process and the pipes to it."""

    def __init__(self) -> None:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "selfagg.scoring.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
            | one_thread
            | {"PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for the parent, which then ends its workers
        )
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        assert self._process.stdout is not None  # noqa: S101
        self._pipes = self._process.stdin, self._process.stdout
        self._calls, self._answers = (pipe.fileno() for pipe in self._pipes)
        self._readable = select.poll()
        self._readable.register(self._answers, select.POLLIN)
        self._buffer = b""
        with _lock:
            _processes.add(self)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._calls, line) :]

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """The next answer; raises TimeoutError, or EOFError where the process has died."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            if not self._readable.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            if not (chunk := os.read(self._answers, 65536)):
                raise EOFError
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{answer['error']}: {answer['message']}", answer["error"])
        return answer

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """For the thread that owns the worker alone: another might still be reading the pipes."""
        self.kill()
        self._process.wait()
        for pipe in self._pipes:
            pipe.close()
        with _lock:
            _processes.discard(self)


class _Call:
    """One call on its way through a thread that owns a worker."""

    def __init__(self, line: bytes, timeout_s: float) -> None:
        self._line = line
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._process: _Process | None = None

    def run(self) -> Any:
        process: _Process | None = getattr(_mine, "process", None)
        if process is None or not process.alive:
            if process is not None:
                process.end()
            process = _mine.process = _Process()
        with self._lock:
            if self._cancelled.is_set():
                return None
            self._process = process
        try:
            self._load(process)
            return process.receive(self._timeout_s)["value"]
        except TimeoutError:
            process.end()
            raise
        except (EOFError, OSError):
            process.end()
            raise WorkerError("the worker process died") from None
        finally:
            with self._lock:
                self._process = None
                if self._cancelled.is_set():
                    process.end()

    def _load(self, process: _Process) -> None:
        # A fault of this machine, not of what a model wrote: it must not pass for a wrong answer.
        try:
            process.send(self._line)
            process.receive(_LOADING)
        except (WorkerError, EOFError, OSError) as error:
            process.end()
            reason = str(error) or "the worker process ended"
            raise SelfaggError(f"scoring cannot run its checks: {reason}") from None

    def cancel(self) -> None:
        with self._lock:
            self._cancelled.set()
            if self._process is not None:
                self._process.kill()


_lock = threading.Lock()
_mine = threading.local()
_processes: set[_Process] = set()
_executor: ThreadPoolExecutor | None = None


def _threads() -> ThreadPoolExecutor:
    global _executor
    with _lock:
        if _executor is None:
            _executor = ThreadPoolExecutor(cores(), thread_name_prefix="selfagg-scoring")
        return _executor


def _forget() -> None:
    """In a forked child: its parent's threads did not come along, and its parent's workers are not its own."""
    global _executor, _lock, _mine
    _lock, _mine, _executor = threading.Lock(), threading.local(), None
    _processes.clear()


atexit.register(close)
with suppress(AttributeError):
    os.register_at_fork(after_in_child=_forget)
