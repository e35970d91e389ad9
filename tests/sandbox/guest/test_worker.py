"""A worker's own steps: an empty folder, what a run wrote, and the difference between sleeping and waiting."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfagg.sandbox.guest import worker


def test_a_process_that_gets_little_of_the_processor_is_not_taken_for_one_that_sleeps() -> None:
    limits = {"wall_seconds": 10.0, "least_share": 0.02}
    used = time.process_time()
    assert not worker._sleeps(os.getpid(), 9.0, limits | {"least_share": 1e9})
    assert not worker._sleeps(os.getpid(), used / 0.02 + 10.0, limits | {"least_share": 1e-6})
    assert worker._sleeps(os.getpid(), 10_000 * (used + 10), limits)


def test_a_folder_is_emptied_of_any_depth_and_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(30):
        Path("x" * 200).mkdir()
        os.chdir("x" * 200)
    os.chdir(tmp_path)
    (tmp_path / "closed" / "inner").mkdir(parents=True)
    (tmp_path / "closed" / "inner" / "file").write_text("x")
    (tmp_path / "closed" / "inner").chmod(0)
    (tmp_path / "closed").chmod(0)
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "emptied0").mkdir()  # a name that the worker takes itself
    (tmp_path / "emptied0" / "emptied0").mkdir()
    tmp_path.chmod(0o500)
    worker._empty(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert (outside / "kept").read_text() == "x"


@pytest.mark.parametrize(
    ("most", "start", "expected"), [(10, 0, b"0123456789"), (4, 0, b"0123"), (4, 8, b"89"), (0, 0, b""), (4, 20, b"")]
)
def test_of_what_was_written_no_more_than_the_limit_is_told(
    most: int, start: int, expected: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "output"
    path.write_bytes(b"0123456789")
    descriptor = os.open(path, os.O_RDONLY)
    assert base64.b64decode(worker._contents(descriptor, most, start=start)) == expected
    os.close(descriptor)


LIMITS = {"seconds": 5.0, "wall_seconds": 60.0, "least_share": 0.02, "entries": None}


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("os._exit(0)", "done"),
        ("os._exit(3)", "error"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "lost"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed"),
        ("os.kill(os.getpid(), signal.SIGXCPU)", "time"),
    ],
)
def test_it_says_how_a_process_ended(ending: str, said: str) -> None:
    pid = os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", f"import os, signal\n{ending}"], {})
    assert worker._wait(pid, LIMITS) == said


def test_a_process_that_sleeps_too_long_is_ended() -> None:
    pid = os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", "import time\ntime.sleep(600)"], {})
    assert worker._wait(pid, LIMITS | {"wall_seconds": 0.5, "least_share": 1.0}) == "time"


def test_contest_names_are_those_of_the_harness() -> None:
    script = """
from selfagg.sandbox.guest import worker
names, wanted = worker._contest_names(), "List heappush heapq Counter inf gcd reduce sys json"
print(sorted(set(wanted.split()) - set(names)), "typing" in names)
import sys
print(sys.getrecursionlimit(), sys.get_int_max_str_digits())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n50000 50000\n"
