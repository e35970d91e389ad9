"""The worker processes: real processes, killed for real."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfagg._internal.machine import cores
from selfagg.errors import SelfaggError
from selfagg.scoring import workers


@pytest.fixture(autouse=True)
def _workers() -> Iterator[None]:
    yield
    workers.close()


def gone(pid: int, within_s: float = 20.0) -> bool:
    """Whether a process that is not our child ends in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


MODULE = """
import os, threading

def at_first(marker, failure):
    if os.path.exists(marker):
        return "done"
    open(marker, "w").close()
    if failure == "die":
        os._exit(1)
    raise MemoryError

def hang_up():
    os.closerange(0, 64)
    threading.Event().wait()

def spin():
    while True:
        pass

def spin_in_a_thread():
    thread = threading.Thread(target=spin)
    thread.start()
    thread.join()
"""


def module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers import the functions above."""
    (folder / "made_for_a_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(folder)
    workers.close()


async def test_calls_a_function_elsewhere() -> None:
    assert await workers.run("operator:add", 2, 3, timeout_s=5) == 5
    assert await workers.run("os:getpid", timeout_s=5) != os.getpid()
    assert await workers.run("operator:add", "é\ud800\n", "\u2028", timeout_s=5) == "é\ud800\n\u2028"


async def test_as_many_workers_as_cores_at_once() -> None:
    slept = [asyncio.create_task(workers.run("time:sleep", 0.3, timeout_s=5)) for _ in range(cores())]
    await asyncio.sleep(0)
    assert not any(call.done() for call in slept), "the event loop was blocked"
    await asyncio.gather(*slept)
    pids = await asyncio.gather(*(workers.run("os:getpid", timeout_s=5) for _ in range(50)))
    assert len(set(pids)) <= cores()


async def test_a_call_past_its_limit_is_killed_and_the_next_one_served() -> None:
    pid = await workers.run("os:getpid", timeout_s=5)
    with pytest.raises(TimeoutError):
        # Held in C code that looks at no signal and lets go of no lock.
        await asyncio.gather(*(workers.run("operator:pow", 7, 10**9, timeout_s=0.3) for _ in range(cores())))
    assert gone(pid)
    assert await workers.run("operator:add", 1, 1, timeout_s=5) == 2


async def test_the_limit_is_processor_time() -> None:
    assert await workers.run("time:sleep", 0.6, timeout_s=0.2) is None
    pid = await workers.run("os:getpid", timeout_s=5)
    workers.close()
    pids = {await workers.run("os:getpid", timeout_s=5) for _ in range(20)}
    assert pid not in pids
    for each in pids:
        os.kill(each, signal.SIGSTOP)
    stopped = [asyncio.create_task(workers.run("operator:add", n, 1, timeout_s=0.2)) for n in range(cores())]
    await asyncio.sleep(1)
    for each in pids:
        os.kill(each, signal.SIGCONT)
    assert await asyncio.gather(*stopped) == list(range(1, cores() + 1))


async def test_the_time_of_all_threads_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module(tmp_path, monkeypatch)
    with pytest.raises(TimeoutError):
        await workers.run("made_for_a_test:spin_in_a_thread", timeout_s=0.3)


async def test_a_call_that_sleeps_is_ended_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_SLEEPING", 2)
    with pytest.raises(TimeoutError):
        await workers.run("time:sleep", 1000, timeout_s=0.1)
    assert await workers.run("operator:add", 1, 1, timeout_s=5) == 2


async def test_a_worker_that_dies_under_a_call_is_replaced_and_the_call_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(tmp_path, monkeypatch)
    for failure in ("die", "fill"):
        assert await workers.run("made_for_a_test:at_first", str(tmp_path / failure), failure, timeout_s=5) == "done"


async def test_a_worker_that_hangs_up_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module(tmp_path, monkeypatch)
    with pytest.raises(workers.WorkerError, match="died"):
        await workers.run("made_for_a_test:hang_up", timeout_s=1000)


@pytest.mark.parametrize("python", ["/bin/false", "/no/such/python"])
async def test_workers_that_cannot_start_are_the_machines_fault(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workers.close()
    monkeypatch.setattr(sys, "executable", python)
    with pytest.raises(SelfaggError, match="cannot run its checks") as caught:
        await workers.run("os:getpid", timeout_s=5)
    assert not isinstance(caught.value, workers.WorkerError)


async def test_closing_ends_calls_under_way_and_starts_none_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(tmp_path, monkeypatch)
    under_way = asyncio.create_task(workers.run("time:sleep", 1000, timeout_s=1000))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(workers.close)
    with pytest.raises(workers.WorkerError, match="died"):
        await under_way


async def test_no_result_hangs_on_the_hash_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "77")
    found = await workers.run("builtins:hash", "text", timeout_s=5)
    workers.close()
    monkeypatch.delenv("PYTHONHASHSEED")
    assert await workers.run("builtins:hash", "text", timeout_s=5) == found
    assert workers.call("builtins:hash", "text") == found


def test_a_call_of_its_own_process() -> None:
    pid = workers.call("os:getpid")
    assert gone(pid, 0.5)
    assert workers.call("os:getpid") not in (pid, os.getpid())
    assert workers.call("operator:mul", "x", 10**7) == "x" * 10**7
    with pytest.raises(workers.WorkerError, match=r"^ZeroDivisionError: integer") as caught:
        workers.call("operator:floordiv", 1, 0)
    assert caught.value.message.startswith("integer")
    with pytest.raises(workers.WorkerError, match="died"):
        workers.call("os:_exit", 3)
    with pytest.raises(SelfaggError, match="no_such_module"):
        workers.call("no_such_module:f")


async def test_what_a_function_raises_is_named() -> None:
    with pytest.raises(workers.WorkerError, match="ZeroDivisionError") as caught:
        await workers.run("operator:floordiv", 1, 0, timeout_s=5)
    assert caught.value.error == "ZeroDivisionError"
    with pytest.raises(workers.WorkerError, match="TypeError"):
        await workers.run("builtins:object", timeout_s=5)  # not a JSON value
    assert await workers.run("operator:add", 1, 1, timeout_s=5) == 2


async def test_a_check_that_cannot_be_loaded_is_not_taken_for_a_wrong_answer() -> None:
    for function in ("no_such_module:f", "operator:no_such_function"):
        with pytest.raises(SelfaggError, match="no_such") as caught:
            await workers.run(function, timeout_s=5)
        assert not isinstance(caught.value, workers.WorkerError)
    assert await workers.run("operator:add", 1, 1, timeout_s=5) == 2


async def test_a_worker_that_dies_is_replaced() -> None:
    for _ in range(3):
        with pytest.raises(workers.WorkerError) as caught:
            await workers.run("os:_exit", 3, timeout_s=5)
        assert caught.value.error == ""
    assert await workers.run("operator:add", 1, 1, timeout_s=5) == 2


async def test_memory_is_bounded() -> None:
    with pytest.raises(workers.WorkerError, match="MemoryError"):
        await workers.run("operator:mul", "x", 2**36, timeout_s=20)


async def test_a_worker_writes_no_file_content_prints_nothing_and_sees_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    target = tmp_path / "written"
    await workers.run("os:system", f"echo something > {target}", timeout_s=5)
    assert not target.exists() or target.read_text() == ""
    await workers.run("builtins:print", "noise", timeout_s=5)
    assert await workers.run("os:getenv", "OPENAI_API_KEY", timeout_s=5) is None
    assert capfd.readouterr() == ("", "")


async def test_cancelling_ends_the_call() -> None:
    pid = await workers.run("os:getpid", timeout_s=5)
    tasks = [asyncio.create_task(workers.run("time:sleep", 1000, timeout_s=2000)) for _ in range(cores() + 3)]
    await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*tasks, return_exceptions=True))
    assert gone(pid)
    assert await workers.run("operator:add", 1, 1, timeout_s=5) == 2


def test_serves_one_event_loop_after_another() -> None:
    pids = {asyncio.run(workers.run("os:getpid", timeout_s=5)) for _ in range(5)}
    assert len(pids) <= cores()


def test_close_ends_the_workers() -> None:
    pid = asyncio.run(workers.run("os:getpid", timeout_s=5))
    workers.close()
    assert gone(pid, 0.5)
    assert asyncio.run(workers.run("operator:add", 1, 1, timeout_s=5)) == 2


SCRIPT = """
import asyncio, sys
from selfagg.scoring import workers
print("main", flush=True)
print(asyncio.run(workers.run("os:getpid", timeout_s=5)), flush=True)
"""


@pytest.mark.parametrize("how", ["file", "stdin", "option"])
def test_a_main_without_a_guard_runs_once(how: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SCRIPT)
    arguments, typed = {"file": (["main.py"], ""), "stdin": (["-"], SCRIPT), "option": (["-c", SCRIPT], "")}[how]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, input=typed, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.count("main") == 1
    assert done.stderr == ""
    assert gone(int(done.stdout.split()[-1]))


@pytest.mark.skipif(sys.platform != "linux", reason="a worker that hangs outlives a killed parent elsewhere")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Even while they hang."""
    hang = '\nasyncio.run(workers.run("operator:pow", 7, 10**9, timeout_s=1000))'
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT + hang], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert parent.stdout
    parent.stdout.readline()
    pid = int(parent.stdout.readline())
    time.sleep(0.5)
    os.kill(pid, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert gone(pid)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_gets_workers_of_its_own() -> None:
    script = """
import asyncio, os
from selfagg.scoring import workers
def ask():
    return asyncio.run(workers.run("os:getpid", timeout_s=5))
first = ask()
child = os.fork()
if child == 0:
    print(ask() != first, flush=True)
    workers.close()
    os._exit(0)
print(os.waitpid(child, 0)[1], ask() == first, flush=True)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "0", "True"], done.stderr
