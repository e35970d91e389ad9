"""What something outside ends (a machine out of memory) is no fault of the program; what the program does is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from selfagg.sandbox import Limits, Sandbox, SandboxFailedError, load_program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the filter of system calls is Linux's")
ENDLESS = "import time\ntime.sleep(600)"


def _below(pid: int) -> list[int]:
    """Return a process and all below it, from the top down."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in _below(int(child)))]


@pytest.mark.parametrize("place", [0, -2, -1], ids=["the sandbox", "the worker", "the program"])
async def test_a_guest_killed_from_outside_is_the_sandbox_s_failure(sandbox: Sandbox, place: int) -> None:
    before = set(_below(os.getpid()))
    async with load_program(sandbox, ENDLESS, Limits()) as program:
        quiet = [pid for pid in _below(os.getpid()) if pid not in before]
        run = asyncio.create_task(program.run(""))
        while len(guests := [pid for pid in _below(os.getpid()) if pid not in before]) <= len(quiet):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        os.kill(guests[place], signal.SIGKILL)
        with pytest.raises(SandboxFailedError, match="outside"):
            await run


ENDS_ITSELF = {
    "kill": "import os\nos.kill(os.getpid(), 9)",
    "tgkill": "import signal, threading\nsignal.pthread_kill(threading.get_ident(), 9)",
    "a lower limit": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (0, 0))\nwhile True: pass",
    "setrlimit by its number": (
        "import ctypes\nassert ctypes.CDLL(None).syscall(160, 0, (ctypes.c_ulong * 2)(0, 0)) == 0\nwhile True: pass"
    ),
    "a limit that is ignored": "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
    "abort": "import os\nos.abort()",
    "memory": "x = []\nwhile True: x.append(bytearray(1 << 24))",
}


async def test_no_program_ends_itself_as_if_from_outside(attack: Any, limits: Limits) -> None:
    results = await attack(ENDS_ITSELF, limits)  # which raises SandboxFailedError where one does
    assert [how for how, result in results.items() if result.failure is None] == []


async def test_past_its_time_by_the_clock_a_program_at_work_goes_on(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limits, "wall_seconds", 1.0)  # in which a program at work gets a share on the busiest machine
    works = "import time\nwhile time.process_time() < 1.2: pass\nprint(1)"
    async with load_program(sandbox, works, Limits()) as program:
        assert (await program.run("")).output == "1\n"
    async with load_program(sandbox, ENDLESS, Limits()) as program:
        assert "time limit" in str((await program.run("")).failure)
