"""One program in a sandbox, run as often as needed: each run a fresh process in an empty folder."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from selfagg._internal.blocking import in_thread_if_large
from selfagg.sandbox.base import Limits, Sandbox
from selfagg.sandbox.session import START_SECONDS, SandboxFailedError, Session, SessionLost, open_session

_GRACE_SECONDS = 5.0
"""Seconds that a worker may take beside the run itself: to empty the folder, to hand in a large output."""


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """The result of one run. All of it is the program's word: compare it, believe nothing of it.

    Attributes:
        output: The text on standard output (not valid UTF-8: with replacement characters).
        value: The value that the function returned, as `selfagg.sandbox.guest.values` writes it in JSON text.
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
        return await self._outcome({"stdin": stdin})

    async def call(self, function: str, args: Any, kwargs: Any = None) -> ProgramResult:
        """Call one of the program's functions, or a method of its class ``Solution``. Never raise for what it does.

        Args:
            function: The function's name.
            args: Its arguments: a list, encoded as in `selfagg.sandbox.guest.values`.
            kwargs: Its keyword arguments: a dictionary, encoded in the same way.
        """
        return await self._outcome({"call": function, "args": args, "kwargs": kwargs or {"dict": []}})

    async def _outcome(self, request: dict[str, Any]) -> ProgramResult:
        if self._failure is not None:
            return ProgramResult(failure=self._failure)
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
    status, output, errors = report.get("status"), _text(report, "output"), _text(report, "errors")
    if status == "done":
        return ProgramResult(output, _text(report, "value"))
    if status == "time":
        return ProgramResult(output, failure="it ran past the time limit")
    if status == "lost":
        raise SandboxFailedError("something outside ended the program: is the machine out of memory?")
    if status == "files":
        return ProgramResult(output, failure="it made too many files")
    last = errors.strip().rpartition("\n")[2]
    return ProgramResult(output, failure=last if status == "error" and last else "it crashed")


def _text(report: dict[str, Any], name: str) -> str:
    try:
        return base64.b64decode(report.get(name, ""), validate=True).decode("utf-8", "replace")
    except (ValueError, TypeError) as error:
        raise SessionLost("it sent no proper message") from error
