"""One guest at work: started in a sandbox, asked over its channel, and gone at the end whatever happened."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from typing import Any

from selfagg._internal.blocking import in_thread_if_large
from selfagg.errors import SelfaggError
from selfagg.sandbox import cgroup
from selfagg.sandbox.base import Command, Limits, Sandbox
from selfagg.sandbox.guest.frames import HEADER, pack

START_SECONDS = 30.0
"""The longest time in which a guest may start, or read a message; on a quiet machine it starts in 0.05 s."""


_END_SECONDS = 5.0
"""The longest time in which a guest that has closed its channel must be gone."""

_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""The exit statuses of a killed process, and of a bubblewrap whose process was killed."""


class SessionLost(Exception):
    """The guest is gone, silent, or talks nonsense; the text says which, in a few words."""


class SandboxFailedError(SelfaggError):
    """The guest did not start, or something outside ended it: the sandbox's failure, not the program's."""


class Session:
    """The channel to one guest.

    Args:
        process: The started process, its input and output the channel.
        command: The command that started the process.
        limits: The limits that the guest gets in its first message.
        most: Most bytes of one message from the guest.
    """

    def __init__(self, process: Process, command: Command, limits: dict[str, Any], most: int) -> None:
        self._process = process
        self._command = command
        self._limits = limits
        self._most = most

    async def start(self, message: dict[str, Any]) -> None:
        """Wait until the guest is there, and send the first message, with the guest's limits in it.

        Raises:
            SandboxFailedError: The guest did not start.
            SessionLost: The guest is gone.
        """
        try:
            await self.send({"limits": self._limits})
            await self.receive(START_SECONDS)
        except SessionLost as lost:
            raise SandboxFailedError(f"the sandbox did not start: {lost}") from lost
        await self.send(message)

    async def send(self, message: dict[str, Any]) -> None:
        """Send one message.

        Raises:
            SessionLost: The guest is gone, or does not read it.
        """
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        size = sum(len(value) for value in message.values() if isinstance(value, str))
        try:
            self._process.stdin.write(await in_thread_if_large(pack, message, size=size))
            async with asyncio.timeout(START_SECONDS):
                await self._process.stdin.drain()
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
                body = await self._read()
        except TimeoutError as error:
            raise SessionLost("it ran past the time limit") from error
        except asyncio.IncompleteReadError as error:
            raise await self._end_of_guest() from error
        try:
            message = await in_thread_if_large(json.loads, body, size=len(body))
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

    async def _read(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        (length,) = HEADER.unpack(await self._process.stdout.readexactly(HEADER.size))
        if length > self._most:
            raise SessionLost("it wrote too much")
        return await self._process.stdout.readexactly(length)


@contextlib.asynccontextmanager
async def open_session(sandbox: Sandbox, guest: str, limits: Limits, cpu: int | None = None) -> AsyncIterator[Session]:
    """Start a guest, and end it with all that it started.

    Args:
        sandbox: The place in which it runs.
        guest: Its name.
        limits: Its bounds.
        cpu: The processor it stays on, or None for any.

    Raises:
        SandboxFailedError: The machine has no room for another process, or the sandbox's program is gone.
    """
    try:
        command = sandbox.command(guest, limits)
        process = await _started(command)
    except OSError as error:
        raise SandboxFailedError(f"the sandbox did not start: {error}") from error
    try:
        yield Session(process, command, command.guest_limits(limits, cpu), 3 * limits.output + 65_536)
    finally:
        # Shielded: who cancels us a second time must not leave a guest behind.
        await asyncio.shield(asyncio.ensure_future(_end(command, process)))


async def _started(command: Command) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command.arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=dict(command.environment),
            cwd=command.folder,
            start_new_session=True,
        )
    except BaseException:
        await asyncio.shield(asyncio.ensure_future(_end(command, None)))
        raise


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
    if command.group is not None:
        await asyncio.to_thread(cgroup.remove, command.group)
    if command.remove is not None:
        await asyncio.to_thread(shutil.rmtree, command.remove, ignore_errors=True)
