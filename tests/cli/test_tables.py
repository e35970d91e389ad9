"""The table of a run: calls that failed and calls that were never made are told apart."""

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
    population = {"t": 1, "accuracy": 0.3, "interval": None, "partial_credit": credit, "pass_at_n": 0.5}
    population |= {"majority": 0.3, "distinct": 1.0, "unanswered": 0, "unanswered_cut": 0, "mean_tokens": 1.0}
    console = Console(width=120)
    with console.capture() as captured:
        console.print(summary_table(SUMMARY | {"populations": [population]}))
    assert ("partial credit" in captured.get()) is told
