"""The lab as a command, tiny: everything runs, and goes on where it was killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from examples.lab.__main__ import app
from examples.lab.arms import ARMS
from examples.lab.experiment import Experiment
from examples.lab.settings import QUICK
from typer.testing import CliRunner

from selfagg.errors import UsageError


def command(out: Path) -> list[str]:
    return [sys.executable, "-m", "examples.lab", "--quick", "--out", str(out)]


def numbers(out: Path) -> Any:
    """What was measured, without the time it took."""
    (result,) = json.loads((out / "results.json").read_text("utf-8"))
    return result["arms"], result["base"]["lessons"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "lab"
    subprocess.run(command(out), check=True, capture_output=True, timeout=120)
    return out


def test_a_lab_writes_its_findings(whole: Path) -> None:
    findings = (whole / "findings.md").read_text("utf-8")
    assert "Too small to show anything" in findings
    assert all(arm.label in findings for arm in ARMS)
    assert (whole / "lab.png").read_bytes().startswith(b"\x89PNG")
    assert (whole / "lab.svg").stat().st_size > 1000
    arms, _ = numbers(whole)
    for measured in arms.values():
        assert len(measured["accuracy"]) == len(measured["predicted"]) == QUICK.t
        assert measured["predicted"][0] == pytest.approx(measured["accuracy"][0])
        assert len(measured["reading"]["right"]) == 5
        assert sum(measured["sets"]) == QUICK.held_out * QUICK.n * (QUICK.t - 1)


def test_a_finished_lab_does_nothing_again(whole: Path) -> None:
    before = (whole / "findings.md").read_text("utf-8")
    lines: list[str] = []
    Experiment("claim", QUICK, 0, whole / "seed-0", lines.append).run()
    assert lines == []
    result = CliRunner().invoke(app, ["--quick", "--out", str(whole)])
    assert result.exit_code == 0
    assert (whole / "findings.md").read_text("utf-8") == before


@pytest.mark.slow
def test_a_killed_lab_goes_on_to_the_same_end(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "lab"
    with subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as lab:
        deadline = time.monotonic() + 100
        while not (out / "seed-0" / "training-standard.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(lab.pid, signal.SIGKILL)
    assert not (out / "results.json").exists()
    kept = (out / "seed-0" / "base.json").read_text("utf-8")
    subprocess.run(command(out), check=True, capture_output=True, timeout=120)
    assert (out / "seed-0" / "base.json").read_text("utf-8") == kept
    assert numbers(out) == numbers(whole)


def test_another_setting_is_refused_in_the_same_folder(whole: Path) -> None:
    with pytest.raises(UsageError, match='holds another experiment: setting is "claim" there, "easy" asked for'):
        Experiment("easy", QUICK, 0, whole / "seed-0", print).run()


def test_a_setting_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="claim, easy, strong-base"):
        Experiment("hard", QUICK, 0, tmp_path / "lab", print).run()
