"""``eval --shard`` and ``merge``: a run split into jobs, and put together again."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]

RSA = ("--model", "simulated:", "-n", "4", "-k", "2", "-t", "3", "--json")


def content(record: Path) -> list[Any]:
    with sqlite3.connect(record) as database:
        return [
            database.execute(statement).fetchall()
            for statement in (
                "SELECT question, role, t, i, parents, text, seed FROM generations ORDER BY question, role, t, i",
                "SELECT question, t, i, answer, score, same FROM scores ORDER BY question, t, i",
                "SELECT id, body, weights FROM questions ORDER BY position",
            )
        ]


def test_shards_merged_are_the_undivided_run(run: Run, questions: Path, tmp_path: Path) -> None:
    whole = run("eval", questions, *RSA, "--record", "whole.sqlite")
    for i in (1, 2):
        done = run("eval", questions, *RSA, "--record", f"shards/{i}.sqlite", "--shard", f"{i}/2")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["calls"] == 36
    merged = run("merge", "shards", "--out", "all.sqlite")
    assert merged.stdout == "all.sqlite: 72 new generations\n"
    assert content(tmp_path / "all.sqlite") == content(tmp_path / "whole.sqlite")
    assert run("merge", "shards", "--out", "all.sqlite").stdout == "all.sqlite: 0 new generations\n"
    again = run("eval", questions, *RSA, "--record", "all.sqlite")
    same = ("calls", "questions", "answer_accuracy", "populations")
    assert [json.loads(again.stdout).get(name) for name in same] == [
        json.loads(whole.stdout).get(name) for name in same
    ]


def test_what_a_lost_shard_lacks_the_merged_record_makes_good(run: Run, questions: Path, tmp_path: Path) -> None:
    run("eval", questions, *RSA, "--record", "1.sqlite", "--shard", "1/2")
    run("merge", "1.sqlite", "--out", "all.sqlite")
    run("eval", questions, *RSA, "--record", "all.sqlite")
    run("eval", questions, *RSA, "--record", "whole.sqlite")
    assert content(tmp_path / "all.sqlite") == content(tmp_path / "whole.sqlite")


def test_a_shard_that_there_is_not(run: Run, questions: Path) -> None:
    done = run("eval", questions, *RSA, "--shard=3/2")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "selfagg: --shard 3/2: write I/N, I from 1 to N, such as 2/8"


def test_records_of_different_runs_are_not_merged(run: Run, questions: Path, tmp_path: Path) -> None:
    run("eval", questions, *RSA, "--record", "1.sqlite", "--shard", "1/2")
    run("eval", questions, *RSA, "--record", "2.sqlite", "--shard", "2/2", "--seed", "7")
    done = run("merge", "1.sqlite", "2.sqlite", "--out", "all.sqlite")
    assert done.returncode == 2
    assert "holds another run" in done.stderr
    assert "seed" in done.stderr


def test_a_file_that_is_no_record(run: Run, questions: Path) -> None:
    done = run("merge", questions, "--out", "all.sqlite")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
