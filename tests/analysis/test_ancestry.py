"""Ancestors by hand and against walking the parents."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations

import pytest

from selfagg.analysis.aggregation import ancestry
from selfagg.record.record import Record

Write = Callable[..., Record]


def test_ancestors_by_hand(write: Write) -> None:
    record = write([["aaaa", "aa", "a"]], parents=[[[[0, 1], [1, 2]], [[0, 1]]]])
    first, second, third = ancestry(record)
    assert (first.t, first.reached, first.effective, first.overlap) == (1, 0.25, 4, 0)
    assert (second.reached, second.overlap) == (0.5, 0.5)
    assert second.effective == 1 / (0.25**2 + 0.5**2 + 0.25**2)
    assert (third.reached, third.effective, third.overlap) == (0.75, second.effective, None)


def test_a_chain_keeps_its_own_ancestor(write: Write) -> None:
    chains = [[[0], [1], [2]], [[0], [1], [2]]]
    last = ancestry(write([["aaa", "aaa", "aaa"]] * 2, parents=[chains, chains]))[-1]
    assert (last.reached, last.effective, last.overlap) == (1 / 3, 3, 0)


def test_against_walking_the_parents(simulated_run: Record) -> None:
    rows = simulated_run.query("SELECT question, t, i, parents FROM generations")
    parents = {(question, t, i): json.loads(drawn) for question, t, i, drawn in rows}

    def shares(question: int, t: int, i: int) -> dict[int, float]:
        if t == 1:
            return {i: 1.0}
        drawn, found = parents[question, t, i], dict[int, float]()
        for parent in drawn:
            for ancestor, part in shares(question, t - 1, parent).items():
                found[ancestor] = found.get(ancestor, 0.0) + part / len(drawn)
        return found

    reached, overlaps = [], []
    for question in range(150):
        members = [shares(question, 3, i) for i in range(8)]
        reached += [len(found) / 8 for found in members]
        for a, b in combinations(members, 2):
            overlaps.append(sum(min(part, b.get(ancestor, 0.0)) for ancestor, part in a.items()))
    third = ancestry(simulated_run)[2]
    assert third.reached == pytest.approx(sum(reached) / len(reached))
    assert third.overlap == pytest.approx(sum(overlaps) / len(overlaps))
    assert third.effective < 8


def test_an_unfinished_run_has_no_ancestors(write: Write) -> None:
    assert ancestry(write([["a", "a"]], weights=[None])) == []
