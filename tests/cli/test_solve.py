"""`selfagg solve`: the response on stdout, what it took on stderr, both as JSON."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from selfagg.record.record import Record
from selfagg.types import KINDS

SMALL = ["--model", "simulated:p=1,keep=1,spread=0", "--kind", "math", "-n", "8", "-k", "2", "-t", "3"]
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_response_is_all_that_stdout_gets(run: Run) -> None:
    outcome = run("solve", "What is 6 * 7?", *SMALL)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "Simulated reply. \\boxed{42}\n"
    for word in ("answer", "42", "calls", "7", "tokens", "record", "runs/"):
        assert word in outcome.stderr


def test_json(run: Run, tmp_path: Path) -> None:
    found = json.loads(
        run(
            "solve", "-", *SMALL, "--answer", "sample", "--json", "--record", "one.sqlite", stdin="What is 6 * 7?"
        ).stdout
    )
    with Record(tmp_path / "one.sqlite", read_only=True) as record:
        ((calls, prompt, completion),) = record.query(
            "SELECT count(*), sum(prompt_tokens), sum(completion_tokens) FROM generations"
        )
        assert [question.text for question in record.questions()] == ["What is 6 * 7?"]
    assert found == {
        "answer": "42",
        "text": "Simulated reply. \\boxed{42}",
        "method": "rsa",
        "n": 8,
        "k": 2,
        "t": 3,
        "calls": calls,
        "copies": 0,
        "depth": 3,
        "stopped": False,
        "usage": {"prompt": prompt, "cached": 0, "completion": completion, "reasoning": 0, "unknown": 0},
        "failed": 0,
        "cut_short": False,
        "record": "one.sqlite",
    }
    assert 1 + 2 + 3 <= calls <= 1 + 2 + 4  # one answer, its 2 parents, and theirs: not 24


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_of_ones_own_may_be_of_every_kind(run: Run, kind: str) -> None:
    outcome = run("solve", "Do it.", *SMALL, "--kind", kind, "--json")
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["answer"] == ("A" if kind == "choice" else "42")


def test_a_vote_computes_the_last_population(run: Run) -> None:
    found = json.loads(run("solve", "What is 6 * 7?", *SMALL, "--answer", "majority", "--json").stdout)
    assert found["answer"] == "42"
    assert found["calls"] >= 8 + 8


def test_progress_counts_the_members_that_the_answer_needs(run: Run) -> None:
    outcome = run("solve", "What is 6 * 7?", *SMALL, "--json")
    calls = json.loads(outcome.stdout)["calls"]
    assert f"members {calls}/{calls}" in outcome.stderr


def test_a_deadline_gives_the_best_at_hand(run: Run) -> None:
    model = ["--model", "simulated:p=1,spread=0,tokens=100,cv=0,speed=100,slots=8"]  # a second a call
    found = json.loads(run("solve", "What is 6 * 7?", *SMALL, *model, "--deadline", "2.5", "--json").stdout)
    assert found["cut_short"] is True
    assert found["answer"] == "42"


def test_a_budget_gives_the_best_at_hand(run: Run) -> None:
    outcome = run("solve", "What is 6 * 7?", *SMALL, "--max-total-tokens", "500", "--concurrency", "1")
    assert outcome.returncode == 0
    assert "cut short" in outcome.stderr


def test_a_budget_counts_by_estimate_what_is_not_told_and_says_so(run: Run) -> None:
    model = ["--model", "simulated:untold=1", "--concurrency", "1"]
    outcome = run("solve", "What is 6 * 7?", *SMALL, *model, "--max-total-tokens", "60")
    assert outcome.returncode == 0
    assert "cut short" in outcome.stderr
    assert "tokens     not told by the server" in outcome.stderr
    assert "budget     the tokens that the server did not tell are estimated" in outcome.stderr
    found = json.loads(run("solve", "What is 6 * 7?", *SMALL, *model[:2], "--json").stdout)
    assert found["usage"]["prompt"] is None
    assert found["usage"]["unknown"] == found["calls"]


def test_members_that_failed_are_counted(run: Run) -> None:
    outcome = run("solve", "What is 6 * 7?", *SMALL, "--model", "simulated:fail=0.4")
    assert outcome.returncode == 0
    assert re.search(r"^calls +\d+, \d+ of \d+ members have no reply$", outcome.stderr, re.MULTILINE)


def test_a_model_that_gives_nothing_is_a_failure_not_a_traceback(run: Run) -> None:
    outcome = run("solve", "What is 6 * 7?", "--model", "simulated:fail=1", "-n", "2", "-k", "1", "-t", "2")
    assert outcome.returncode == 1
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr
    assert "simulated failure" in outcome.stderr.splitlines()[-1]


def test_a_terminal_without_unicode_still_gets_the_response(run: Run) -> None:
    outcome = run("solve", "Wie heißt 6 · 7?", *SMALL, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert outcome.returncode == 0, outcome.stderr
    assert "42" in outcome.stdout
