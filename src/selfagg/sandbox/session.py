"""One guest at work: started in a sandbox, asked over its channel, and gone at the end whatever happened.

A program is such a guest, run as often as needed: each run a fresh process in an empty folder.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from selfagg._internal.blocking import in_thread_if_large
from selfagg._internal.machine import cores, processors
from selfagg.errors import SelfaggError
from selfagg.sandbox import cgroup
from selfagg.sandbox.base import Command, Limits, Sandbox
from selfagg.sandbox.guest.messages import HEADER, pack

START_SECONDS = 30.0  # in which a guest must start, or read a message; on a quiet machine it starts in 0.05 s
_END_SECONDS = 5.0  # in which a guest that has closed its channel must be gone
_GRACE_SECONDS = 5.0  # for a worker beside the run itself: to empty the folder, to hand in a large output
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)  # a process that was killed, a bubblewrap whose process was
_FREE: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Queue[int]] = WeakKeyDictionary()
"""The processors that no program has, for each event loop: a queue belongs to one."""


class SessionLost(Exception):
    """The guest is gone, silent, or talks nonsense; the text says which, in a few words."""


class SandboxFailedError(SelfaggError):
    """The guest did not start, or something outside ended it: the sandbox's failure, not the program's."""


class Session:
    """The channel to one guest: a process whose input and output it is."""

    def __init__(self, process: Process, command: Command, limits: Limits, cpu: int | None) -> None:
        assert process.stdin is not None  # noqa: S101 - it was started with pipes
        assert process.stdout is not None  # noqa: S101
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._command = command
        self._limits = command.guest_limits(limits, cpu)
        self._most = 3 * limits.output + 65_536

    async def start(self, message: dict[str, Any]) -> None:
        """Wait until the guest is there with its limits set, and send the first message.

        Raises:
            SandboxFailedError: The guest did not start.
        """
        try:
            await self.send({"limits": self._limits})
            await self.receive(START_SECONDS)
        except SessionLost as lost:
            raise SandboxFailedError(f"the sandbox did not start: {lost}") from lost
        await self.send(message)

    async def send(self, message: dict[str, Any]) -> None:
        """Send one message; raise SessionLost where the guest is gone, or does not read it."""
        size = sum(len(value) for value in message.values() if isinstance(value, str))
        try:
            self._stdin.write(await in_thread_if_large(pack, message, size=size))
            async with asyncio.timeout(START_SECONDS):
                await self._stdin.drain()
        except TimeoutError as error:
            raise SessionLost("it ran past the time limit") from error
        except (BrokenPipeError, ConnectionResetError) as error:
            raise await self._end_of_guest() from error

    async def receive(self, seconds: float) -> dict[str, Any]:
        """Return the guest's next message: an object, but of any content.

        Raises:
            SessionLost: The guest is gone or silent, or what it says is too long or no message.
            SandboxFailedError: Something outside ended the guest.
        """
        try:
            async with asyncio.timeout(seconds):
                (length,) = HEADER.unpack(await self._stdout.readexactly(HEADER.size))
                if length > self._most:
                    raise SessionLost("it wrote too much")
                body = await self._stdout.readexactly(length)
            message = await in_thread_if_large(json.loads, body, size=len(body))
        except TimeoutError as error:
            raise SessionLost("it ran past the time limit") from error
        except asyncio.IncompleteReadError as error:
            raise await self._end_of_guest() from error
        except (ValueError, RecursionError) as error:
            raise SessionLost("it sent no proper message") from error
        if not isinstance(message, dict):
            raise SessionLost("it sent no proper message")
        return message

    async def _end_of_guest(self) -> SelfaggError | SessionLost:
        """Return why the guest is gone: no program can kill it but by taking more memory than its group has."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _END_SECONDS)
        group, own = self._command.group, self._command.stop is None  # a container's limits are not seen from here
        if own and self._process.returncode in _KILLED and not (group and cgroup.exhausted(group)):
            return SandboxFailedError("something outside ended the sandbox: is the machine out of memory?")
        return SessionLost("it ended before its time")


@contextlib.asynccontextmanager
async def open_session(sandbox: Sandbox, guest: str, limits: Limits, cpu: int | None = None) -> AsyncIterator[Session]:
    """Start a guest by its name, and end it with all that it started; it stays on the processor ``cpu``.

    Raises:
        SandboxFailedError: The machine has no room for another process, or the sandbox's program is gone.
    """
    command, process = None, None
    try:
        try:
            command = sandbox.command(guest, limits)
            process = await asyncio.create_subprocess_exec(
                *command.arguments,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=dict(command.environment),
                cwd=command.folder,
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxFailedError(f"the sandbox did not start: {error}") from error
        yield Session(process, command, limits, cpu)
    finally:
        if command is not None:
            # Shielded: who cancels us a second time must not leave a guest behind.
            await asyncio.shield(asyncio.ensure_future(_end(command, process)))


async def _end(command: Command, process: Process | None) -> None:
    if process is not None:
        if process.returncode is None:
            # Not process.kill(): that looks for the end itself, and may take it from asyncio's own wait.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
    if command.stop is not None:
        stopping = await asyncio.create_subprocess_exec(*command.stop, stdout=DEVNULL, stderr=DEVNULL)
        await stopping.wait()
    if command.group is not None or command.folder is not None:
        await asyncio.to_thread(_remove, command)


def _remove(command: Command) -> None:
    if command.group is not None:
        cgroup.remove(command.group)
    if command.folder is not None:
        shutil.rmtree(command.folder.parent, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """The result of one run. All of it is the program's word: compare it, believe nothing of it.

    Attributes:
        output: The text on standard output (not valid UTF-8: with replacement characters).
        value: The value that the function returned, as `selfagg.sandbox.guest.messages` writes it in JSON text.
        failure: The reason for a missing result, in a few words, or None.
    """

    output: str = ""
    value: str = ""
    failure: str | None = None


class Program:
    """A program that is loaded in a sandbox."""

    def __init__(self, session: Session, limits: Limits, failure: str | None) -> None:
        self._session, self._limits, self._failure = session, limits, failure

    async def run(self, stdin: str) -> ProgramResult:
        """Run the program as a script that reads this standard input. Never raise for what the program does."""
        return await self._result({"stdin": stdin})

    async def call(self, function: str, args: Any, kwargs: Any = None) -> ProgramResult:
        """Call one of the program's functions, or a method of its class ``Solution``. Never raise for what it does.

        Arguments are encoded as in `selfagg.sandbox.guest.messages`: a list, and a dictionary.
        """
        return await self._result({"call": function, "args": args, "kwargs": kwargs or {"dict": []}})

    async def _result(self, request: dict[str, Any]) -> ProgramResult:
        if self._failure is None:
            try:
                await self._session.send(request)
                report = await self._session.receive(self._limits.longest_seconds + _GRACE_SECONDS)
                return await in_thread_if_large(_read, report, size=len(str(report.get("output"))))
            except SessionLost as lost:
                # Nothing more can be had from this session, nor be taken for the answer to a later request.
                self._failure = str(lost)
        return ProgramResult(failure=self._failure)


@contextlib.asynccontextmanager
async def load_program(
    sandbox: Sandbox, code: str, limits: Limits, *, contest: bool = False, cpu: int | None = None
) -> AsyncIterator[Program]:
    """Put a program into a sandbox. If it does not compile, every run fails and says so.

    Args:
        sandbox: The place in which it runs.
        code: Python source.
        limits: The limits of each run.
        contest: True if it finds the names that LiveCodeBench's harness provides (``List``, ``heapq``, ...).
        cpu: The processor it stays on, or None for any.

    Raises:
        SandboxFailedError: The sandbox did not start.
    """
    async with open_session(sandbox, "worker", limits, cpu) as session:
        try:
            await session.start({"code": code, "contest": contest})
            error = (await session.receive(START_SECONDS)).get("error")
            failure = None if error is None else str(error)
        except SessionLost as lost:
            failure = str(lost)
        yield Program(session, limits, failure)


def _read(report: dict[str, Any]) -> ProgramResult:
    try:
        output, value, errors = (
            base64.b64decode(report.get(name, ""), validate=True).decode("utf-8", "replace")
            for name in ("output", "value", "errors")
        )
    except (ValueError, TypeError) as error:
        raise SessionLost("it sent no proper message") from error
    match report.get("status"):
        case "done":
            return ProgramResult(output, value)
        case "lost":
            raise SandboxFailedError("something outside ended the program: is the machine out of memory?")
        case "time":
            failure = "it ran past the time limit"
        case "files":
            failure = "it made too many files"
        case status:
            last = errors.strip().rpartition("\n")[2]
            failure = last if status == "error" and last else "it crashed"
    return ProgramResult(output, failure=failure)


@contextlib.asynccontextmanager
async def cpu_seat() -> AsyncIterator[int]:
    """Wait for a processor, and give its number. Hold one for each program that is run: one a core at a time."""
    loop = asyncio.get_running_loop()
    if loop not in _FREE:
        _FREE[loop] = asyncio.Queue()
        # Under a quota (a container) they are drawn: all containers of a machine must not crowd on its first ones.
        for cpu in sorted(random.sample(processors(), cores())):
            _FREE[loop].put_nowait(cpu)
    cpu = await _FREE[loop].get()
    try:
        yield cpu
    finally:
        _FREE[loop].put_nowait(cpu)


def probe(sandbox: Sandbox) -> str | None:
    """Run the smallest program in a sandbox; return what went wrong, in a few words, or None."""
    limits = Limits()
    command = sandbox.command("worker", limits)
    first = pack({"limits": command.guest_limits(limits, None)})
    try:
        done = subprocess.run(  # noqa: S603
            command.arguments,
            input=first + pack({"code": "", "contest": False}) + pack({"stdin": ""}),
            env=dict(command.environment),
            cwd=command.folder,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        _remove(command)
    if done.returncode == 0 and b'"status": "done"' in done.stdout:
        return None
    return (done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}").splitlines()[-1]
