"""Limits that follow from others, the start of a guest, and what it is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from selfagg.sandbox import Limits
from selfagg.sandbox.base import Command, package_folders, python_arguments


def test_limits_that_follow_from_others() -> None:
    limits = Limits(seconds=2.0, memory=1 << 30, disk=1 << 20)
    assert limits.wall_seconds == 30.0
    assert limits.longest_seconds == 100.0  # 2 s at a fiftieth of a processor
    assert Limits(seconds=0.1).longest_seconds == Limits(seconds=0.1).wall_seconds == 11.0
    assert limits.total_memory == (1 << 30) + (1 << 20) + (256 << 20)


def test_a_guest_is_told_its_limits() -> None:
    told = Command(("x",), user=7, count_threads=True, count_entries=True).guest_limits(Limits(seconds=1), 3)
    assert told == {
        "seconds": 1,
        "memory": 2 << 30,
        "disk": 256 << 20,
        "output": 16 << 20,
        "threads": 64,
        "files": 128,
        "entries": 20_000,
        "wall_seconds": 20,
        "least_share": 0.02,
        "cpu": 3,
        "user": 7,
        "count_threads": True,
    }
    assert Command(("x",)).guest_limits(Limits(), None)["entries"] is None  # its folder is no file system of its own


def test_a_guest_starts_with_nothing_but_the_standard_library_and_its_packages(tmp_path: Path) -> None:
    tmp = str(tmp_path)
    python, *options, program = python_arguments(sys.executable, "worker", "/the/root", tmp)
    assert program.endswith("from selfagg.sandbox.guest.worker import main; main()")
    shown = program.replace("from selfagg.sandbox.guest.worker import main; main()", "print(sys.path)")
    done = subprocess.run([python, *options, shown], capture_output=True, text=True, check=True, cwd="/")
    path = done.stdout
    assert path.startswith("['/the/root', ")
    assert path.endswith(f", {tmp!r}]\n")
    assert "site-packages" not in path.replace(tmp, "")


def test_programs_may_import_numpy_alone() -> None:
    assert {folder.name for folder in package_folders()} <= {"numpy", "numpy.libs"}
    assert all(folder.is_dir() for folder in package_folders())
