"""A guest that is gone, silent or talks nonsense ends its session, and nothing worse."""

from __future__ import annotations

import struct
import sys

import pytest

from selfagg.sandbox import Limits, ProgramResult, SandboxFailedError, SessionLost, load_program, open_session
from selfagg.sandbox.base import Command
from selfagg.sandbox.guest.messages import pack

LIMITS = Limits(seconds=0.1, output=1_000)


class Says:
    """A sandbox whose guest writes these bytes, whatever it is told, and waits."""

    name, limits = "says", "none"

    def __init__(self, said: bytes, then: str = "input()") -> None:
        self._program = f"import os, sys\nos.write(1, {said!r})\n{then}"

    def trouble(self) -> str | None:
        return None

    def command(self, guest: str, limits: Limits) -> Command:
        return Command((sys.executable, "-c", self._program))


READY = pack({"ready": True})
LOADED = pack({"error": None})


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (struct.pack(">I", 3) + b"{1}", "it sent no proper message"),
        (pack({})[:-1], "it ended before its time"),
        (struct.pack(">I", 2) + b"[]", "it sent no proper message"),
        (struct.pack(">I", 2) + b"\xff\xff", "it sent no proper message"),
        (struct.pack(">I", 100_000) + b"[" * 100_000, "it wrote too much"),
        (struct.pack(">I", 60_000) + b"[" * 60_000, "it sent no proper message"),
        (b"\xff\xff\xff\xff", "it wrote too much"),
        (b"\0\0", "it ended before its time"),
        (b"", "it ended before its time"),
    ],
)
async def test_nonsense_is_a_lost_session(said: bytes, reason: str) -> None:
    async with open_session(Says(READY + said, then="import time\ntime.sleep(0.5)"), "worker", LIMITS) as session:
        await session.start({})
        with pytest.raises(SessionLost, match=reason):
            await session.receive(30)


async def test_silence_is_a_lost_session() -> None:
    async with open_session(Says(READY, then="sys.stdin.read()"), "worker", LIMITS) as session:
        await session.start({})
        with pytest.raises(SessionLost, match="it ran past the time limit"):
            await session.receive(0.2)


async def test_a_guest_that_does_not_listen_is_a_lost_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfagg.sandbox.session.START_SECONDS", 0.5)
    guest = Says(READY, then="import time\ntime.sleep(60)")
    async with open_session(guest, "worker", LIMITS) as session:
        with pytest.raises(SessionLost, match="it ran past the time limit"):
            await session.send({"stdin": "x" * 10_000_000})


async def test_a_guest_that_does_not_start_is_the_sandboxs_failure() -> None:
    with pytest.raises(SandboxFailedError, match="the sandbox did not start: it ended before its time"):
        async with load_program(Says(b"", then="sys.exit(1)"), "", LIMITS):
            pass


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"status": "done", "output": 3, "value": ""},
        {"status": "done", "output": "not base64!", "value": ""},
        {"status": "error", "output": "", "errors": None},
        {"status": ["done"], "output": "", "errors": ""},
    ],
)
async def test_a_report_of_another_form_is_a_failure(report: dict[str, object]) -> None:
    said = READY + LOADED + pack(report) + pack({"status": "done", "output": "", "value": ""})
    async with load_program(Says(said, then="sys.stdin.read()"), "", LIMITS) as program:
        assert (await program.run("")).failure is not None


async def test_a_lost_session_stays_lost() -> None:
    """An answer that comes late is not taken for the next run's."""
    late = pack({"status": "done", "output": "", "value": ""})
    said = READY + LOADED + struct.pack(">I", 2) + b"[]" + late
    async with load_program(Says(said, then="sys.stdin.read()"), "", LIMITS) as program:
        lost = ProgramResult(failure="it sent no proper message")
        assert [await program.run(""), await program.run("")] == [lost, lost]
