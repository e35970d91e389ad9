"""The evidence script: three tasks, four methods at equal calls, on a simulated model; a second run asks nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(out: Path) -> str:
    settings = {"SELFAGG": str(Path(sys.executable).with_name("selfagg")), "SIZE": "2", "N": "3", "K": "2", "T": "2"}
    done = subprocess.run(
        ["sh", ROOT / "scripts/evidence.sh", "simulated:", out],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_three_tasks_four_methods_and_r_c(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert first.count("SIMULATED") == first.count("r_c: share of right aggregations") == 3
    for method in ("rsa n=3 k=2 t=2", "majority n=6 t=1", "self-refine n=3 t=2", "rejection n=3 t=1"):
        assert (tmp_path / "sums.txt").read_text().count(method) >= 1
    assert (tmp_path / "divisors-unanimous.txt").read_text().strip()

    records = {path: path.stat().st_size for path in tmp_path.rglob("*.sqlite")}
    assert len(records) == 12
    assert run(tmp_path) == first
    assert {path: path.stat().st_size for path in records} == records
