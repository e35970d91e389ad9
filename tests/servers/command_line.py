"""Runs of ``selfagg``, or of a script, without the second that imports take: one process imports, each run is a fork.

A run has arguments, standard streams, environment, folder and exit code of its own, as any process has. What a test
wants of the start of a process itself, or of Python's own switches, needs a real one: `subprocess.run`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn

PRELOADED = (
    "selfagg.cli.runs", "selfagg.cli.records", "selfagg.cli.serving", "numpy", "scipy.stats", "scipy.special",
    "statsmodels.stats.proportion", "pyarrow.parquet", "statsmodels.stats.multitest", "statsmodels.stats.power",
    "pydantic", "rich.live", "rich.table", "rich.markup", "typer.rich_utils", "selfagg.progress",
    "selfagg.evaluation.compare",
    "selfagg.html_report.build", "selfagg.benchmarks", "selfagg.models.simulated",
)  # fmt: skip


class CommandLine:
    """The process whose forks run ``selfagg``, started by the first run. For one thread at a time."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str = "", timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run ``selfagg`` as `subprocess.run` would, output captured; a first word that ends in ``.py``: that script.

        Raises:
            subprocess.TimeoutExpired: It did not end within ``timeout`` seconds, and was killed.
        """
        if self._process is None:
            command = [sys.executable, __file__, str(self._theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[self._theirs.fileno()], stdin=subprocess.DEVNULL)
        asked = json.dumps({"arguments": arguments, "cwd": str(cwd), "env": dict(env)}).encode()
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            request = stack.enter_context(tempfile.TemporaryFile())
            _fill(streams[0], stdin.encode())
            _fill(request, asked)
            ours, theirs = map(stack.enter_context, socket.socketpair())
            socket.send_fds(self._ours, [b"!"], [*(file.fileno() for file in (*streams, request)), theirs.fileno()])
            theirs.close()
            child = int(ours.recv(64))
            ours.settimeout(timeout)
            try:
                code = int(ours.recv(64))
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                raise subprocess.TimeoutExpired(["selfagg", *arguments], timeout) from None
            return subprocess.CompletedProcess(["selfagg", *arguments], code, *map(_read, streams[1:]))

    def close(self) -> None:
        """End the process."""
        self._ours.close()
        self._theirs.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _fill(file: IO[bytes], content: bytes) -> None:
    file.write(content)
    file.flush()
    file.seek(0)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def serve(requests: socket.socket) -> None:
    """Fork for each request, until nobody can ask any more."""
    for module in PRELOADED:
        __import__(module)
    while True:
        sign, descriptors, *_ = socket.recv_fds(requests, 1, 5)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # the forks below tell their runs' ends themselves
                pass
        if not sign:
            return
        if not os.fork():
            _supervise(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _supervise(descriptors: list[int]) -> NoReturn:
    *streams, request, answer = descriptors
    child = os.fork()
    if not child:
        os.close(answer)
        _become(streams, json.loads(os.read(request, 10_000_000)))
    os.write(answer, str(child).encode())
    _, status = os.waitpid(child, 0)
    os.write(answer, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(streams: list[int], asked: dict[str, object]) -> NoReturn:
    """Run the command in this process, and end it as Python ends."""
    for standard, stream in enumerate(streams):
        os.dup2(stream, standard)
    os.closerange(3, 64)
    os.chdir(str(asked["cwd"]))
    os.environ.clear()
    os.environ.update(asked["env"])  # type: ignore[call-overload]
    sys.path[:0] = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    arguments: list[str] = asked["arguments"]  # type: ignore[assignment]
    random.seed()
    from selfagg.cli import main

    code = 1
    try:
        if arguments and arguments[0].endswith(".py"):
            sys.argv, sys.path[:0] = arguments, [str(Path(arguments[0]).parent)]
            runpy.run_path(arguments[0], run_name="__main__")
        else:
            sys.argv = [str(Path(sys.executable).with_name("selfagg")), *arguments]
            main()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
