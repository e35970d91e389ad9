"""`selfagg train data` as a user runs it: a set, killed and gone on with, mixtures, and what cannot be."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfagg.training.rows import read_rows

EXECUTABLE = Path(sys.executable).with_name("selfagg")
MODEL = ["--model", "simulated:p=0.5"]
SUMS = ["train", "data", "--problems", "sums.jsonl"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def sums(tmp_path: Path) -> None:
    """A file of twelve problems."""
    rows = [{"question": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(12)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_set_is_made_told_and_reused(run: Run, tmp_path: Path) -> None:
    command = [*SUMS, *MODEL, "--k", "3", "--pool", "5", "--draws", "3", "--fraction", "0.75", "--held-out", "2"]
    made = run(*command, "--out", "set", "--json")
    assert made.returncode == 0, made.stderr
    facts = json.loads(made.stdout)
    assert facts == json.loads((tmp_path / "set" / "data.json").read_text())
    assert facts["rows"] == {"plain": 10, "aggregation": 30, "test": 2}
    rows = read_rows(tmp_path / "set")
    assert Counter(row.aggregation for row in rows) == {True: 30, False: 10}
    assert {row.data_source for row in rows} == {"selfagg/sums"}
    assert len(read_rows(tmp_path / "set", "test")) == 2
    told = (tmp_path / "set" / "README.md").read_text()
    for words in ("SIMULATED", "pass_at_1", "interval", "seed: 1234", "--draws 3", "| 3 |", "k: 3\n    - pool: 5"):
        assert words in told
    before = (tmp_path / "set" / "train.parquet").stat().st_mtime_ns
    again = run(*command, "--out", "set")
    assert again.returncode == 0
    assert "set holds this very set already" in again.stderr
    assert "training set set: 40 prompts (10 plain, 30 aggregation), 2 test" in again.stdout
    assert "SIMULATED" in again.stdout
    assert (tmp_path / "set" / "train.parquet").stat().st_mtime_ns == before
    other = run(*command[:-2], "--out", "set")
    assert other.returncode == 2
    assert "training_set.held_out is 2 in the record, 0 asked for" in other.stderr


def test_standard_training_needs_no_model(run: Run, tmp_path: Path) -> None:
    made = run(
        *SUMS, "--fraction", "0", "--model", "openai:none", "--base-url", "http://127.0.0.1:1/v1", "--out", "set"
    )
    assert made.returncode == 0, made.stderr
    assert "12 prompts (12 plain, 0 aggregation)" in made.stdout
    assert not any(row.aggregation for row in read_rows(tmp_path / "set"))
    assert "no model was asked" in (tmp_path / "set" / "README.md").read_text()


def candidates(folder: Path) -> set[tuple[Any, ...]]:
    try:
        with sqlite3.connect(folder / "candidates.sqlite") as database:
            return set(database.execute("SELECT question, t, i, text, started FROM generations"))
    except sqlite3.OperationalError:  # killed before there was a table, or a file
        return set()


def test_killed_again_and_again_it_ends_as_if_nothing_had_happened(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    slow = ["--model", "simulated:p=0.5,tokens=400,speed=8000,slots=4", "--pool", "6", "--draws", "2"]
    whole = run(*SUMS, *slow, "--out", "whole")
    assert whole.returncode == 0, whole.stderr
    moment, kept, alive = random.Random(5), set[tuple[Any, ...]](), 0
    for _ in range(4):
        process = subprocess.Popen(
            [EXECUTABLE, *SUMS, *slow, "--out", "killed"],
            cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr
        process.stderr.readline()  # the record is open
        time.sleep(moment.uniform(0, 0.4))
        alive += process.poll() is None
        process.kill()
        process.wait()
        process.stderr.close()
        now = candidates(tmp_path / "killed")
        assert kept <= now
        kept = now
    assert alive >= 2
    assert run(*SUMS, *slow, "--out", "killed").returncode == 0
    assert kept <= candidates(tmp_path / "killed")
    assert read_rows(tmp_path / "killed") == read_rows(tmp_path / "whole")
    assert not [path.name for path in (tmp_path / "killed").iterdir() if path.name.endswith(".partial")]


def test_sources_can_be_mixed_with_a_size_each(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"question": "2 + 2?", "answer": "4", "kind": "math"}\n')
    deep = tmp_path / "deepscaler.json"
    deep.write_text(json.dumps([{"problem": f"{i} + 1?", "answer": str(i + 1)} for i in range(9)]))
    sources = ["deepscaler", "reasoning_gym:chain_sum,spell_backward", "mine.jsonl"]
    command = ["train", "data", *(word for source in sources for word in ("--problems", source)), *MODEL]
    made = run(*command, "--size", "5,4,all", "--data", deep, "--fraction", "1", "--out", "set")
    assert made.returncode == 0, made.stderr
    assert Counter(row.data_source for row in read_rows(tmp_path / "set")) == {
        "selfagg/deepscaler": 5,
        "selfagg/reasoning_gym:chain_sum": 2,
        "selfagg/reasoning_gym:spell_backward": 2,
        "selfagg/mine": 1,
    }
    wrong = run(*command, "--size", "5,4", "--data", deep, "--out", "other")
    assert (wrong.returncode, "2 numbers for 3 sources" in wrong.stderr) == (2, True)


def test_candidates_of_one_set_serve_another(run: Run, tmp_path: Path) -> None:
    assert run(*SUMS, *MODEL, "--pool", "6", "--out", "a").returncode == 0
    other = run(*SUMS, *MODEL, "--pool", "6", "--k", "2", "--reuse", "a", "--out", "b")
    assert other.returncode == 0, other.stderr
    assert candidates(tmp_path / "a") == candidates(tmp_path / "b")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--k", "5", "--pool", "4"], "k = 5, but a pool of 4 holds no more than 4"),
        (["--fraction", "nan"], "--fraction = nan, but it is a share from 0 to 1"),
        (["--max-prompt-tokens", "3"], "no problem is left to train on: the prompts of all 12"),
        (["--model", "simulated:fail=1", "--size", "2"], "2 problems have fewer than 4 candidates"),
        (["--problems", "deepscalr"], "did you mean deepscaler"),
        (["--out", "notes"], "notes holds something else than a training set (mine.txt)"),
        (["--reuse", "nothing"], "there is no record nothing"),
        (["--model", "openai:x", "--base-url", "http://127.0.0.1:1/v1"], "http://127.0.0.1:1"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(
    run: Run, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    base = SUMS if "--problems" not in arguments else SUMS[:2]
    refused = run(*base, *MODEL, "--out", "set", *arguments)
    assert refused.returncode == 2
    assert complaint in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "set" / "train.parquet").exists()
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["mine.txt"]
