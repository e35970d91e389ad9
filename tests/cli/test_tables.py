"""The table of a run: calls that failed and calls never made, failed and wrong, unknown and 0 are told apart."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from selfagg.analysis.missing import Missing, usage_json
from selfagg.cli.tables import summary_table
from selfagg.types import Usage

SUMMARY: dict[str, Any] = {
    "method": "rsa",
    "n": 4,
    "k": 2,
    "t": 2,
    "model": "openai:tiny",
    "questions": 1,
    "questions_total": 1,
    "populations": [],
    "answer": {"accuracy": None, "interval": None},
    "answer_accuracy": None,
    "calls": 7,
    "answer_replied": None,
    "missing": Missing(members=8, replies=3).as_json(),
    "sampling": {},
    "usage": usage_json(Usage(10, 0, 20), 3),
    "seconds": 1.0,
    "failures": 5,
    "skipped": 1,
    "shortened": 0,
    "last_failure": None,
    "record": "run.sqlite",
}


@pytest.mark.parametrize(
    ("failures", "skipped", "said"),
    [
        (5, 1, "calls      7, 4 of them failed; 1 more had no parent with a reply and were not made"),
        (5, 0, "calls      7, 5 of them failed"),
    ],
)
def test_failed_and_skipped(failures: int, skipped: int, said: str) -> None:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(summary_table(SUMMARY | {"failures": failures, "skipped": skipped}))
    assert said in [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize(("credit", "told"), [(0.1 + 0.2, False), (0.35, True)])
def test_credit_is_told_where_it_differs_by_more_than_rounding(credit: float, told: bool) -> None:
    population = {
        "t": 1,
        "carried": 0,
        "accuracy": 0.3,
        "interval": None,
        "accuracy_replied": 0.3,
        "partial_credit": credit,
        "pass_at_n": 0.5,
    }
    population |= {"majority": 0.3, "distinct": 1.0, "unanswered": 0, "unanswered_cut": 0, "mean_tokens": 1.0}
    console = Console(width=120)
    with console.capture() as captured:
        console.print(summary_table(SUMMARY | {"populations": [population]}))
    assert ("partial credit" in captured.get()) is told


def told(**summary: Any) -> list[str]:
    """The lines of a summary's table."""
    console = Console(width=140)
    with console.capture() as captured:
        console.print(summary_table(SUMMARY | summary))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_an_accuracy_is_told_with_and_without_the_members_that_failed() -> None:
    population = {
        "t": 1,
        "carried": 0,
        "accuracy": 0.25,
        "interval": [0.1, 0.5],
        "accuracy_replied": 0.5,
        "partial_credit": 0.25,
    }
    population |= {"pass_at_n": 0.5, "majority": 0.5, "distinct": 1, "unanswered": 4, "unanswered_cut": 0}
    population |= {"mean_tokens": None}
    answer = {"answer_accuracy": 0.25, "answer_interval": [0.1, 0.5], "answer_replied": 0.5}
    lines = told(populations=[population], missing=Missing(8, 4, replies=4).as_json(), **answer)
    assert "failed     4 of 8 members have no reply: counted as wrong; without them 50.0 %; answer 50.0 %" in lines
    assert lines[2].split()[-2:] == ["4", "-"]  # no mean length is known


def test_where_no_right_answer_is_known_there_is_no_accuracy_without_them() -> None:
    assert "failed     4 of 8 members have no reply: counted as wrong" in told(missing=Missing(8, 4).as_json())


def test_what_is_unscored_and_where_it_is_sampled_by_the_server_is_told() -> None:
    lines = told(missing=Missing(8, 0, 3, "it ran out", 8).as_json(), sampling={"server_defaults": True})
    assert "unscored   3 of 8 members could not be scored (it ran out): left out of all shares" in lines
    assert "sampling   the server's own, where nothing was given" in lines


@pytest.mark.parametrize(
    ("unknown", "tokens", "time"),
    [
        (3, "not told by the server", "0:01"),
        (
            2,
            "10 prompt (0 cached), 20 completion; not told by the server for 2 of 3 replies, which no sum holds",
            "0:01",
        ),
        (0, "10 prompt (0 cached), 20 completion", "0:01, 20 tokens/s"),
    ],
)
def test_tokens_and_their_rate_are_claimed_only_where_they_are_known(unknown: int, tokens: str, time: str) -> None:
    missing = Missing(8, replies=3, without_usage=unknown)
    lines = told(usage=usage_json(Usage(10, 0, 20, 0, unknown), 3), missing=missing.as_json())
    assert f"tokens     {tokens}" in lines
    assert f"time       {time}" in lines
