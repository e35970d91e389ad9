"""Costs by question and by population, against sums by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from selfagg.analysis.costs import Cost, chain_seconds, costs_by_population, costs_by_question, mean_cost
from selfagg.record.record import Record

Write = Callable[..., Record]


def test_costs_add_up_over_populations(write: Write) -> None:
    record = write([["Ra", "aa"], ["R!", "RR"], ["aa", "aa"]], weights=[[0.5, 0.5], [0.5, 0.5], None])
    first, second = costs_by_population(record)
    assert (first.calls, first.prompt, first.cached) == (2, 150, 15)
    assert (first.completion, first.tokens) == ((10 + 11 + 10) / 2, 165.5)
    assert (second.calls, second.prompt) == (4, 150 + 400)
    assert second.seconds == pytest.approx((1.0 + 1.1 + 1.0) / 2 + 2.0 + 2.1)


def test_costs_by_question_leave_out_what_is_not_done(write: Write) -> None:
    record = write([["Ra", "aa"], ["R!", "RR"]], weights=[[0.5, 0.5], None])
    assert {position: cost.tokens for position, cost in costs_by_question(record).items()} == {0: 662}


def test_the_mean_cost() -> None:
    assert mean_cost([Cost(1, 10, 2, 3, 4.0), Cost(3, 20, 4, 5, 6.0)]) == Cost(2, 15, 3, 4, 5.0)


def test_the_longest_chain_follows_the_parents(write: Write) -> None:
    # Member i of population t takes t + i / 10 seconds.
    record = write([["aaa", "aaa"]], parents=[[[[0, 1], [0, 1], [0, 1]]]])
    assert chain_seconds(record) == pytest.approx([1.2, 1.1 + 2.2])
    longer = write([["aaa", "aaa", "a"]], parents=[[[[0, 1], [2, 1], [0, 1]], [[0]]]])
    assert chain_seconds(longer) == pytest.approx([1.2, 1.2 + 2.1, 1.1 + 2.0 + 3.0])
