"""One program in a sandbox, run as often as needed: each run a fresh process in an empty folder."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from selfagg._internal.machine import cores, processors
from selfagg._internal.threads import in_thread_if_large
from selfagg.sandbox.base import Limits, Sandbox
from selfagg.sandbox.session import START_SECONDS, SandboxFailedError, Session, SessionLost, open_session

_GRACE_SECONDS = 5.0
"""Seconds that a worker may take beside the run itself: to empty the folder, to hand in a large output."""

_FREE: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Queue[int]] = WeakKeyDictionary()
"""The processors that no program has, for each event loop: a queue belongs to one."""


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
        self._session = session
        self._limits = limits
        self._failure = failure

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
    """Put a program into a sandbox.

    Args:
        sandbox: The place in which it runs.
        code: Python source. If it does not compile, every run fails and says so.
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
