"""``selfagg report`` on the real executable."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_writes_a_page_beside_the_record_and_says_where(run: Run, questions: Path, tmp_path: Path) -> None:
    model = ("--model", "simulated:p=0.5")
    assert run("eval", questions, *model, "-n", 2, "-k", 1, "-t", 2, "--record", "a.sqlite").returncode == 0
    outcome = run("report", "a.sqlite")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.strip() == "a.html"
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")
    assert run("report", ".", "--out", "all.html").returncode == 0
    assert (tmp_path / "all.html").read_text().startswith("<!doctype html>")


def test_refuses_what_is_no_record(run: Run, questions: Path) -> None:
    for name, words in (("missing.sqlite", "there is no record"), (questions, "not a selfagg record")):
        outcome = run("report", name)
        assert outcome.returncode == 2
        assert words in outcome.stderr
