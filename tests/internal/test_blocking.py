"""Asynchronous work for code that is not: results and errors come back, and Ctrl-C ends the work in a notebook too."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading

import pytest

from selfagg._internal.blocking import blocking, heard_by


async def _found(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def _failed() -> int:
    raise ValueError("no")


def test_without_a_loop() -> None:
    assert blocking(lambda: _found(3)) == 3
    with pytest.raises(ValueError, match="no"):
        blocking(_failed)


async def test_within_a_running_loop() -> None:
    assert blocking(lambda: _found(3)) == 3
    with pytest.raises(ValueError, match="no"):
        blocking(_failed)
    assert all(thread.name != "selfagg-blocking" for thread in threading.enumerate())


NOTEBOOK = """
import asyncio, os, signal, sys, threading
from selfagg._internal.blocking import blocking

{work}

async def cell():
    try:
        blocking(work)
    except KeyboardInterrupt:
        print("interrupted")

loop = asyncio.new_event_loop()
{before}
loop.run_until_complete(cell())  # as a notebook does: Ctrl-C raises KeyboardInterrupt within the cell
"""


def cell(work: str, before: str = "") -> list[str]:
    script = NOTEBOOK.format(work=work, before=before)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_ctrl_c_cancels_the_work_of_a_cell() -> None:
    work = """
async def work():
    os.kill(os.getpid(), signal.SIGINT)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("cancelled")
        raise
"""
    assert cell(work) == ["cancelled", "interrupted"]


def test_ctrl_c_before_a_loop_that_never_begins() -> None:
    work = """
interrupted = threading.Event()

def stop(number, frame):
    interrupted.set()
    raise KeyboardInterrupt

async def work():
    print("begun")

class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        os.kill(os.getpid(), signal.SIGINT)
        interrupted.wait()
        raise OSError("too many open files")
"""
    before = "signal.signal(signal.SIGINT, stop); asyncio.set_event_loop_policy(Policy())"
    assert cell(work, before) == ["interrupted"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_by_nobody_else_and_then_by_whom_it_was(number: signal.Signals) -> None:
    outside: list[int] = []
    inside: list[int] = []
    with heard_by(lambda heard, _: outside.append(heard)):
        with heard_by(lambda heard, _: inside.append(heard)):
            signal.raise_signal(number)
        with heard_by(signal.SIG_IGN):
            signal.raise_signal(number)
        assert (outside, inside) == ([], [number])
        signal.raise_signal(number)
    assert (outside, inside) == ([number], [number])


def test_signals_that_are_not_named_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    with heard_by(signal.SIG_IGN, signal.SIGTERM):
        assert signal.getsignal(signal.SIGINT) is before
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
