"""Run one program again and again, each time in a fresh process: forked, confined, in an empty folder.

The program shares a user and a file system with this worker, so nothing that decides about it is here: neither
the expected outputs nor the verdict. Whatever it does to the worker, it can only change what the worker reports
of its own output.
"""

from __future__ import annotations

import atexit
import binascii
import builtins
import contextlib
import gc
import importlib
import itertools
import json
import os
import resource
import signal
import sys
import time
from types import CodeType, ModuleType
from typing import Any, NamedTuple, NoReturn

# Imports cost a large part of a session's start: what is rarely needed is imported where it is.
from selfagg.sandbox.guest.confine import begin, confine_program
from selfagg.sandbox.guest.messages import Channel, decode, encode, write_all

_STAR_IMPORTS = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "sys", "json", "builtins", "typing"),
)
_RECURSION_LIMIT = 50_000
_INTEGER_DIGITS = 50_000
_ERROR_BYTES = 4_000
_HOME = "tmp"  # the program's folder, in the worker's, which holds the files of its streams beside it
_WATCH_SECONDS = 0.02
_sigtimedwait = getattr(signal, "sigtimedwait", lambda _, seconds: time.sleep(seconds / 4))  # macOS has none


class _Files(NamedTuple):
    """Descriptors of what goes into a run and what comes out of it."""

    stdin: int
    stdout: int
    stderr: int
    value: int


def main() -> None:
    """Serve one session: the program first, then a run for each message."""
    channel = Channel()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # waited for
    limits, folder = begin(channel), os.getcwd()  # noqa: PTH109
    start = channel.receive()
    if start is None:
        return
    for name in ("exit", "quit"):
        setattr(builtins, name, sys.exit)  # what the module site would set, which is not loaded
    names = _contest_names() if start["contest"] else {}
    try:
        code = compile(start["code"], "program.py", "exec")
    except Exception as error:  # SyntaxError, ValueError (null bytes), MemoryError, RecursionError...
        channel.send({"error": f"{type(error).__name__}: {error}"})
        return
    gc.freeze()  # else the first collection in each process would copy every page
    channel.send({"error": None})
    while (request := channel.receive()) is not None:
        _empty(folder)
        os.mkdir(_HOME)  # noqa: PTH102
        files = _Files(*(os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600) for name in _Files._fields))
        write_all(files.stdin, request.get("stdin", "").encode("utf-8", "surrogatepass"))
        os.lseek(files.stdin, 0, os.SEEK_SET)
        pid = os.fork()
        if pid == 0:
            _end(_become_program(code, names, request, limits, files))
        status, most = _wait(pid, limits), limits["output"]
        ending = max(0, os.fstat(files.stderr).st_size - _ERROR_BYTES)
        channel.send(
            {
                "status": status,
                "output": _contents(files.stdout, most),
                "errors": _contents(files.stderr, _ERROR_BYTES, start=ending),
                "value": _contents(files.value, most),
            }
        )
        for descriptor in files:
            os.close(descriptor)


def _contest_names() -> dict[str, Any]:
    """Return the names that LiveCodeBench's own harness puts before a program: ``List``, ``heapq``, ..."""
    names: dict[str, Any] = {}
    for module in _STAR_IMPORTS:
        exec(f"from {module} import *", names)  # noqa: S102
    for module in _STAR_IMPORTS[:-2]:
        names[module] = importlib.import_module(module)
    sys.setrecursionlimit(_RECURSION_LIMIT)
    sys.set_int_max_str_digits(_INTEGER_DIGITS)
    return names


def _empty(folder: str) -> None:
    """Remove all that is in a folder: of any depth and any mode, which shutil.rmtree does not."""
    with contextlib.suppress(PermissionError):  # where it is root's, no program can have changed its mode
        os.chmod(folder, 0o700)  # noqa: PTH101
    names = (f"{folder}/emptied{number}" for number in itertools.count())
    while entries := [*os.scandir(folder)]:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry)  # noqa: PTH108 - pathlib is slow to import
                continue
            os.chmod(entry, 0o700)  # noqa: PTH101
            for inner in os.scandir(entry):
                if inner.is_dir(follow_symlinks=False):
                    os.chmod(inner, 0o700)  # noqa: PTH101
                    os.rename(inner, next(name for name in names if not os.path.lexists(name)))  # noqa: PTH104
                else:
                    os.unlink(inner)  # noqa: PTH108
            os.rmdir(entry)  # noqa: PTH106


def _wait(pid: int, limits: dict[str, Any]) -> str:
    """Wait for a process, kill it if it takes too long or makes too many files, and say how it ended."""
    start, most = time.monotonic(), limits["entries"]
    before = _entries()
    while True:
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        late = _sleeps(pid, time.monotonic() - start, limits)
        if late or (most is not None and _entries() - before > most):
            os.kill(pid, signal.SIGKILL)
            os.wait4(pid, 0)
            return "time" if late else "files"
        _sigtimedwait({signal.SIGCHLD}, _WATCH_SECONDS)
    if os.WIFEXITED(status):
        return "done" if os.WEXITSTATUS(status) == 0 else "error"
    # Past its processor time the kernel sends SIGXCPU, and SIGKILL a second later if that is ignored.
    if os.WTERMSIG(status) == signal.SIGXCPU or used.ru_utime + used.ru_stime > limits["seconds"]:
        return "time"
    # The filter of system calls keeps a program from ending itself so: somebody else did, as a machine out of memory.
    return "lost" if sys.platform == "linux" and os.WTERMSIG(status) == signal.SIGKILL else "killed"


def _sleeps(pid: int, elapsed: float, limits: dict[str, Any]) -> bool:
    """Return True if a process is past its time by the clock, and not for want of a processor."""
    if elapsed <= limits["wall_seconds"] or sys.platform != "linux":
        return bool(elapsed > limits["wall_seconds"])
    # The kernel's number for the clock of another process (clock_getcpuclockid in the C library).
    return bool(time.clock_gettime((~pid << 3) | 2) < limits["least_share"] * elapsed)


def _entries() -> int:
    """Count the files, folders and links in the file system of the worker's folder."""
    system = os.statvfs(".")
    return system.f_files - system.f_ffree


def _contents(descriptor: int, most: int, start: int = 0) -> str:
    parts = []
    while most > 0 and (part := os.pread(descriptor, min(most, 1 << 20), start)):
        parts.append(part)
        start += len(part)
        most -= len(part)
    return binascii.b2a_base64(b"".join(parts), newline=False).decode()


def _become_program(
    code: CodeType, names: dict[str, Any], request: dict[str, Any], limits: dict[str, Any], files: _Files
) -> int:
    """Run the program in the forked process; return its exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    os.chdir(_HOME)
    _take_over(files)
    confine_program(limits)
    call = request.get("call")
    module = ModuleType("solution" if call else "__main__")
    module.__dict__.update(names, __name__=module.__name__)
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - what this process is for
        if call:  # a function, or the method of a LeetCode ``Solution``
            has_method = hasattr(getattr(module, "Solution", None), call)
            function = getattr(module.Solution() if has_method else module, call)
            value = function(*decode(request["args"]), **decode(request["kwargs"]))
            result = json.dumps(encode(value)).encode()
            os.lseek(files.value, 0, os.SEEK_SET)
            write_all(files.value, result)
    except SystemExit:
        return 1 if call else 0  # any exit is an end like another for a program that writes to stdout
    except BaseException:
        import traceback

        traceback.print_exc(limit=-2)
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """End the process as an interpreter does, but for its clearing up, which takes longer than most programs.

    The same calls as in multiprocessing's forked processes.
    """
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        code = 1
    os._exit(code)


def _take_over(files: _Files) -> None:
    """Make the files of this run the process's standard streams, and close all else but the value's."""
    os.setsid()
    for standard in range(3):
        os.dup2(files[standard], standard)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    os.closerange(3, files.value)
    os.closerange(files.value + 1, most)
    for name, standard, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        errors = "backslashreplace" if name == "stderr" else "strict"
        stream = open(standard, mode, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
