"""Worker processes for checks that may hang, crash or read hostile text.

One process a core, started when first needed, shared by all event loops of this process. A call past its limit of
processor time ends its worker; the next call starts another. Workers end with this process, even when it is killed.
Python's hash seed is the same in all of them, so that no result depends on the order of a set.

The limit is processor time, kept by the kernel (``ITIMER_PROF``): on a busy machine a right answer takes longer and
stays right. The clock only ends a call that sleeps.

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
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from selfagg._internal.machine import cores
from selfagg.errors import SelfaggError

_LOADING = 600.0
"""Seconds by the clock in which a worker starts and imports what a call needs; not part of the call's own limit."""

_SLEEPING = 20
"""The ratio of clock time to processor time that a call may take: enough for a machine with 20 jobs a core."""

_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
"""The variables that a worker gets from the environment: no keys."""

_SETTINGS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1") | {"PYTHONHASHSEED": "0"}


class WorkerError(SelfaggError):
    """A call failed in its worker; ``error`` names the exception, and is ``""`` where the worker itself died."""

    def __init__(self, message: str = "the worker process died", error: str = "") -> None:
        super().__init__(f"{error}: {message}" if error else message)
        self.message = message
        self.error = error

    @property
    def blameless(self) -> bool:
        """Return True if the failure says nothing about what was checked: the worker died or had too little memory."""
        return self.error in ("", MemoryError.__name__)


async def run(function: str, *args: Any, timeout_s: float) -> Any:
    """Call a function in a worker process, without blocking the event loop.

    A call whose worker dies, or runs out of memory, is tried once more in a fresh worker.

    Args:
        function: ``module:name``; the module is imported in the worker only.
        *args: JSON values.
        timeout_s: Seconds of processor time that the call itself may take, in all threads of the worker; waiting for
            a worker and importing the module do not count. By the clock it may take 20 times as long.

    Returns:
        The value that the function returned: a JSON value.

    Raises:
        TimeoutError: The call took longer and was killed.
        WorkerError: The function raised, or its process died twice.
        SelfaggError: The worker could not start, or not import the function.
    """
    global _executor
    call = _CheckCall(_line(function, args, timeout_s), timeout_s)
    with _lock:
        executor = _executor = _executor or ThreadPoolExecutor(cores(), thread_name_prefix="selfagg-scoring")
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, call.run)
    except asyncio.CancelledError:
        call.cancel()
        raise


def call(function: str, *args: Any) -> Any:
    """Call a function as `run` does, in a fresh process that ends with the call and has no limit of time.

    For those who need the workers' hash seed, and must not meet what earlier calls left behind.
    """
    process = _Process()
    try:
        process.load(_line(function, args, None))
        return process.receive(None)
    finally:
        process.end()


def _line(function: str, args: Sequence[Any], cpu_s: float | None) -> bytes:
    return json.dumps({"function": function, "args": args, "cpu_s": cpu_s}).encode() + b"\n"


def close() -> None:
    """End all workers at once. The next call starts new ones."""
    global _executor
    with _lock:
        executor, _executor = _executor, None
        processes = list(_processes)
    for process in processes:
        process.popen.kill()
    if executor is not None:
        executor.shutdown(cancel_futures=True)
    for process in processes:
        process.end()


class _Process:
    """One worker process and the pipes to it."""

    def __init__(self) -> None:
        path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry)
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._folder = tempfile.TemporaryDirectory(prefix="selfagg-")  # some Reasoning Gym tasks write files
        try:
            self.popen = subprocess.Popen(
                [sys.executable, "-P", "-m", "selfagg.scoring.worker_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self._folder.name,
                bufsize=0,
                env=kept | _SETTINGS | {"PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C is for the parent, which then ends its workers
            )
        except OSError as error:
            raise SelfaggError(f"scoring cannot run its checks: {error.strerror or error}") from error
        assert self.popen.stdin is not None  # noqa: S101 - for the type checker
        assert self.popen.stdout is not None  # noqa: S101
        self._pipes = self.popen.stdin, self.popen.stdout
        self._calls, self._answers = (pipe.fileno() for pipe in self._pipes)
        self._readable = select.poll()
        self._readable.register(self._answers, select.POLLIN)
        self._buffer = bytearray()
        with _lock:
            _processes.add(self)

    def load(self, line: bytes) -> None:
        """Send a call and wait until its function is there; what cannot be imported is a fault of this machine."""
        try:
            while line:
                line = line[os.write(self._calls, line) :]
            self.receive(_LOADING)
        except BrokenPipeError:
            raise WorkerError from None
        except (WorkerError, TimeoutError) as error:
            if isinstance(error, WorkerError) and not error.error:
                raise
            raise SelfaggError(f"scoring cannot run its checks: {error or 'a worker does not start'}") from None

    def receive(self, timeout_s: float | None) -> Any:
        """Return the next answer's value; raise TimeoutError past the time, the clock's or the processor's."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if not self._readable.poll(None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            if not (chunk := os.read(self._answers, 1 << 20)):
                self.popen.kill()  # changes nothing where it is dead, and ends it where it has only hung up
                raise TimeoutError if self.popen.wait() == -signal.SIGPROF else WorkerError
            self._buffer += chunk
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["message"], answer["error"])
        return answer.get("value")

    def end(self) -> None:
        """End the worker. For the thread that owns the worker alone: another might still be reading the pipes."""
        self.popen.kill()
        self.popen.wait()
        for pipe in self._pipes:
            pipe.close()
        self._folder.cleanup()
        with _lock:
            _processes.discard(self)


class _CheckCall:
    """One call on its way through a thread that owns a worker."""

    def __init__(self, line: bytes, timeout_s: float) -> None:
        self._line = line
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._cancelled = self._loaded = False
        self._process: _Process | None = None

    def run(self) -> Any:
        try:
            return self._try()
        except WorkerError as error:
            if not error.blameless:
                raise
        if self._cancelled or _executor is None:  # it was ended, and did not die
            raise WorkerError
        try:
            return self._try()
        except WorkerError as error:
            if error.error or self._loaded:
                raise
            raise SelfaggError(f"scoring cannot run its checks: {error}") from None

    def _try(self) -> Any:
        process: _Process | None = getattr(_mine, "process", None)
        if process is None or process.popen.poll() is not None:
            if process is not None:
                process.end()
            process = _mine.process = _Process()
        with self._lock:
            if self._cancelled:
                return None
            self._process = process
        usable = self._loaded = False
        try:
            process.load(self._line)
            self._loaded = True
            value = process.receive(_SLEEPING * self._timeout_s)
            usable = True
            return value
        except WorkerError as error:
            usable = not error.blameless
            raise
        finally:
            with self._lock:
                self._process = None
                if not usable or self._cancelled:
                    process.end()

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._process is not None:
                self._process.popen.kill()


_lock = threading.Lock()
_mine = threading.local()
_processes: set[_Process] = set()
_executor: ThreadPoolExecutor | None = None


def _forget() -> None:
    """Forget the parent's workers in a forked child: neither its threads nor its workers are the child's own."""
    global _executor, _lock, _mine
    _lock, _mine, _executor = threading.Lock(), threading.local(), None
    _processes.clear()


atexit.register(close)
with suppress(AttributeError):
    os.register_at_fork(after_in_child=_forget)
