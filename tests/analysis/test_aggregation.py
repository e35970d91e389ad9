"""Aggregations, what was lost and gained, and ancestors, by hand and against a model whose r_c is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations

import pytest

from selfagg.analysis.aggregation import FATES, aggregations, ancestry, fate, transitions
from selfagg.analysis.member_outcomes import answered
from selfagg.record.record import Record

Write = Callable[..., Record]


def test_right_aggregations_by_right_parents(write: Write) -> None:
    record = write(
        [["Rab", "RRa", "R--"], ["!aa", "Raa", "aaR"]],
        parents=[
            [[[0, 1], [1, 2], [0, 2]], [[0, 1], [1, 2], [2, 0]]],
            [[[0, 1], [1, 2], [0, 2]], [[0, 1], [1, 2], [2, 0]]],
        ],
    )
    counts = aggregations(record)
    assert counts is not None
    assert (counts.k, counts.sizes) == (2, (3, 3, 3))
    assert counts.everywhere
    assert counts.right.tolist() == [[1, 2, 1], [0, 1, 1]]
    assert counts.tried.tolist() == [[[1, 2, 0], [0, 2, 1]], [[3, 0, 0], [1, 2, 0]]]
    assert counts.succeeded.tolist() == [[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 0]]]
    shares = [estimate and (estimate.mean, estimate.n_values) for estimate in counts.right_by_parents()]
    assert shares == [(2 / 5, 5), (2 / 6, 6), (1, 1)]


def test_rates_as_json(write: Write) -> None:
    counts = aggregations(write([["Ra", "RR"], ["aa", "Ra"]], parents=[[[[0, 1], [0, 1]]]] * 2))
    assert counts is not None
    none, half, whole = counts.as_json()
    rates = counts.right_by_parents()
    assert rates[0] is not None
    assert none == {"c": 0, "k": 2, "share": 0.5, "interval": [rates[0].low, rates[0].high], "aggregations": 2}
    assert (half["c"], half["share"], half["aggregations"]) == (1, 1.0, 2)
    assert whole == {"c": 2, "k": 2, "share": None, "interval": None, "aggregations": 0}


@pytest.mark.parametrize("questions", [[["RR"], ["aa"]], [["!!", "!!"]]])
def test_nothing_to_count(write: Write, questions: list[list[str]]) -> None:
    counts = aggregations(write(questions))
    assert counts is None or counts.succeeded.sum() == 0
    assert aggregations(write([["Ra", "RR"]], gold=False)) is None


def test_the_known_chances_of_a_simulated_model_are_found(simulated_run: Record) -> None:
    counts = aggregations(simulated_run)
    assert counts is not None
    assert counts.tried.sum() == 150 * 8 * 4
    for c, estimate in enumerate(counts.right_by_parents()):
        assert estimate is not None
        assert estimate.mean == pytest.approx(0.1 + 0.8 * c / 3, abs=0.03)
        assert estimate.high - estimate.low < 0.12


def test_lost_and_gained_against_the_vote_of_the_parents(write: Write) -> None:
    record = write(
        [["RaRb", "aRRR"], ["abRR", "RRR-"]],
        parents=[
            # votes: R; a and R tie, the first shown wins: a, then R; R
            [[[0, 2, 1], [1, 2], [2, 1], [0, 2]]],
            [[[0, 1, 2], [3, 2], [1, 0], [2]]],  # votes: a, R, b, R
        ],
    )
    (step,) = transitions(record)
    assert step.t == 2
    assert (step.lost_count, step.gained_count) == (2, 3)
    assert step.lost is not None
    assert (step.lost.mean, step.lost.n_values, step.lost.n_questions) == (2 / 5, 5, 2)
    assert step.gained is not None
    assert (step.gained.mean, step.gained.n_values) == (1, 3)


def test_the_votes_of_nobody_are_wrong(write: Write) -> None:
    (step,) = transitions(write([["--", "R!"]]))
    assert step.lost is None
    assert (step.gained_count, step.gained and step.gained.mean) == (1, 0.5)


@pytest.mark.parametrize(
    ("right", "became"),
    [
        ([1, 0, 0], "died out"),
        ([0, 2, 0], "died out"),
        ([1, 0, 2], "rescued"),
        ([0, 1, 1], "rescued"),
        ([0, 0], "never right"),
        ([0], "never right"),
        ([3, 2, 1], None),
        ([1], None),
    ],
)
def test_what_became_of_right_answers(right: list[int], became: str | None) -> None:
    assert fate(right) == became
    assert became in (*FATES, None)


def test_questions_that_die_out_and_are_rescued(write: Write) -> None:
    record = write([["Raa", "abb", "abR", "RRa"], ["aaa", "aaR", "aaa", "aaa"], ["RRR", "RRR", "RRR", "aaR"]])
    steps = transitions(record)
    assert [(step.t, step.died_out, step.rescued) for step in steps] == [(2, 1, 1), (3, 1, 1), (4, 0, 0)]
    assert [(step.majorities_lost, step.majorities_gained) for step in steps] == [(0, 0), (0, 0), (1, 1)]


def test_what_does_not_aggregate_has_no_transitions(write: Write) -> None:
    assert transitions(write([["Ra"]])) == []
    assert transitions(write([["Ra", "aa"]], gold=False)) == []


def test_gains_less_losses_are_the_change_of_accuracy_beyond_voting(simulated_run: Record) -> None:
    for step in transitions(simulated_run):
        assert step.lost is not None
        assert step.gained is not None
        assert step.lost.n_values + step.gained.n_values == 150 * 8
        right = step.lost.n_values - step.lost_count + step.gained_count
        assert right == sum(question.right_counts[step.t - 1] for question in answered(simulated_run))


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
