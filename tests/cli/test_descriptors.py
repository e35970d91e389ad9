"""What a caller closed or took away: standard descriptors, and the record while it is being written."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXECUTABLE = Path(sys.executable).with_name("selfagg")
SLOW = ["--model", "simulated:tokens=400,speed=800,slots=2", "-n", "8", "-k", "4", "-t", "4"]


def started(questions: Path, record: Path, environment: dict[str, str], redirections: str) -> subprocess.Popen[bytes]:
    """An evaluation that takes a while, once something of it is recorded."""
    words = [str(EXECUTABLE), "eval", str(questions), *SLOW, "--record", str(record)]
    process = subprocess.Popen(["sh", "-c", f'exec "$@" {redirections}', "sh", *words], env=environment)
    wal = record.with_name(f"{record.name}-wal")
    deadline = time.monotonic() + 60
    while not (wal.exists() and wal.stat().st_size > 100_000):
        assert process.poll() is None, "it ended before it had begun"
        assert time.monotonic() < deadline, "it records nothing"
        time.sleep(0.05)
    return process


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are looked up in /proc")
@pytest.mark.parametrize(("closed", "descriptors"), [("2>&-", [2]), ("1>&-", [1]), ("<&- >&- 2>&-", [0, 1, 2])])
def test_no_file_takes_the_place_of_a_closed_stream(
    closed: str, descriptors: list[int], questions: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    process = started(questions, tmp_path / "run.sqlite", environment, closed)
    try:
        places = [Path(f"/proc/{process.pid}/fd/{descriptor}").readlink() for descriptor in descriptors]
        assert places == [Path("/dev/null")] * len(descriptors)
    finally:
        process.kill()
        process.wait()


def test_a_record_deleted_during_a_run_is_no_success(
    questions: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    record = tmp_path / "run.sqlite"
    process = started(questions, record, environment, f"2>{tmp_path / 'said'} >/dev/null")
    process.send_signal(signal.SIGSTOP)  # on a busy machine it might be done before the file is gone
    assert process.poll() is None
    record.unlink()
    process.send_signal(signal.SIGCONT)
    assert process.wait(60) == 2
    said = (tmp_path / "said").read_text()
    assert f"record {record} was deleted, moved or cut short while it was being written" in said
    assert "Traceback" not in said
