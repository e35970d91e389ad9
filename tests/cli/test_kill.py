"""Kill -9 at any moment: what is recorded stays, is never bought again, and the end is as if nothing had happened."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXECUTABLE = Path(sys.executable).with_name("selfagg")
ARGUMENTS = ["-n", "8", "-k", "4", "-t", "4", "--model", "simulated:tokens=400,speed=8000,slots=4,unanswered=0.1"]
Rows = dict[tuple[Any, ...], tuple[Any, ...]]
Run = Callable[..., subprocess.CompletedProcess[str]]


def generations(record: Path) -> Rows:
    """Every recorded generation by its address: all that was written of it, the moment of its call included."""
    if not record.exists():
        return {}
    database = sqlite3.connect(record)
    try:
        rows = database.execute("SELECT question, t, i, role, * FROM generations").fetchall()
    except sqlite3.OperationalError:  # killed before there was a table
        return {}
    finally:
        database.close()
    return {row[:4]: row[4:] for row in rows}


def populations(record: Path) -> list[tuple[Any, ...]]:
    """What a run came to: everything but the times."""
    with sqlite3.connect(record) as database:
        return (
            database.execute(
                "SELECT g.question, g.role, g.t, g.i, parents, prompt, cut, seed, text, stop, prompt_tokens, "
                "completion_tokens, answer, score, same FROM generations g "
                "JOIN scores s ON s.question = g.question AND s.t = g.t AND s.i = g.i ORDER BY 1, 2, 3, 4"
            ).fetchall()
            + database.execute("SELECT id, body, weights FROM questions ORDER BY position").fetchall()
        )


def kill_in_the_middle(command: list[str], folder: Path, environment: dict[str, str], moment: random.Random) -> bool:
    """Starts a run and kills it: half the time while it starts, half the time while it generates.

    Returns whether it was still running.
    """
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    if moment.random() < 0.75:
        process.stderr.readline()  # the record is open
        time.sleep(moment.uniform(0.0, 0.5))
    else:
        time.sleep(moment.uniform(0.0, 0.6))
    running = process.poll() is None
    process.kill()
    process.wait()
    process.stderr.close()
    return running


def check_survivors(before: Rows, after: Rows) -> None:
    """Nothing is lost or made again, and no recorded member has a parent that is not recorded."""
    assert before.items() <= after.items()
    for question, t, i, _ in after:
        if t > 1:
            parents = json.loads(after[question, t, i, "candidate"][4])
            assert all((question, t - 1, j, "candidate") in after for j in parents)


@pytest.mark.parametrize("kills", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_a_killed_run_loses_and_repeats_nothing(
    kills: int, run: Run, questions: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole.sqlite", tmp_path / "killed.sqlite"
    # enough to do that the last kills still find work
    size = 6 if kills <= 15 else 40
    rows = [{"question": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(size)]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("eval", questions, *ARGUMENTS, "--record", whole).returncode == 0

    command = [str(EXECUTABLE), "eval", str(questions), *ARGUMENTS, "--record", str(killed)]
    moment, recorded, found_running = random.Random(kills), generations(killed), 0
    for _ in range(kills):
        found_running += kill_in_the_middle(command, tmp_path, environment, moment)
        now = generations(killed)
        check_survivors(recorded, now)
        recorded = now
    assert found_running >= kills // 2  # else this test tested little

    done = run("eval", questions, *ARGUMENTS, "--record", killed, "--json")
    assert done.returncode == 0, done.stderr
    check_survivors(recorded, generations(killed))
    assert populations(killed) == populations(whole)
    assert json.loads(done.stdout)["calls"] == len(generations(killed)) == size * 8 * 4
