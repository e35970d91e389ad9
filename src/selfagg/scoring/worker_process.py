"""The worker process: reads calls from its standard input, one JSON line each, and answers them.

Started by `selfagg.scoring.workers` as ``python -m selfagg.scoring.worker_process``. It reads what models wrote, so it
gives itself as little power as a plain process can: no new file content, bounded memory, no core dumps.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import logging
import os
import resource
import signal
import sys
from typing import IO, Any

MEMORY = 4 * 2**30
"""Bytes of address space of one worker: ``9**9**9`` ends in a MemoryError, not in a dead machine."""


def main() -> None:
    """Serve calls until the pipe closes."""
    calls, answers = _claim_pipes()
    _restrict()
    for line in calls:
        function = _send_outcome(answers, _load, line)
        if function is not None:
            _send_outcome(answers, _limited, *function)


def _load(line: str) -> Any:
    call = json.loads(line)
    module, _, name = call["function"].partition(":")
    return call["cpu_s"], getattr(importlib.import_module(module), name), call["args"]


def _limited(cpu_s: float | None, function: Any, args: list[Any]) -> Any:
    """Call a function; past this processor time the kernel ends the process, even in code that looks at no signal."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s or 0)
    try:
        return function(*args)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _send_outcome(answers: IO[str], function: Any, *args: Any) -> Any:
    """Run a function and tell how it went; a function loaded is announced without its value."""
    try:
        value = function(*args)
        answer = "{}" if function is _load else json.dumps({"value": value})
    except Exception as error:
        value = None
        answer = json.dumps({"error": type(error).__name__, "message": str(error)[:2_000]})
    answers.write(answer + "\n")
    answers.flush()
    return value


def _claim_pipes() -> tuple[IO[str], IO[str]]:
    """Take standard input and output for the protocol, so that nothing a library prints gets into it."""
    calls = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    return calls, answers


def _restrict() -> None:
    sys.dont_write_bytecode = True
    logging.disable(logging.CRITICAL)
    if sys.platform == "linux":
        # The kernel ends this process with its parent, even while a check that never returns holds it.
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        if hard == resource.RLIM_INFINITY or hard > most:
            try:
                resource.setrlimit(limit, (most, most))
            except (OSError, ValueError):  # macOS refuses some of these
                continue


if __name__ == "__main__":
    main()
