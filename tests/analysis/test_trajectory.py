"""Prediction against enumeration of every outcome, against what is known of a line, and against a simulated model."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise, product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.analysis.costs import costs_by_population
from selfagg.analysis.trajectory import FURTHER, enough, predict, trajectory
from selfagg.engine.record import Record

Write = Callable[..., Record]
Shares = st.floats(0, 1)


def enumerated(rates: list[float], first: list[float], sizes: list[int]) -> list[float]:
    """The same by listing every set and every population, right (1) or wrong (0)."""
    k = len(rates) - 1
    populations = list(product((0, 1), repeat=sizes[0]))
    chances = {
        population: first[sum(population)] / sum(sum(other) == sum(population) for other in populations)
        for population in populations
    }
    means = [sum(chance * sum(p) / len(p) for p, chance in chances.items())]
    for size in sizes[1:]:
        following = dict.fromkeys(product((0, 1), repeat=size), 0.0)
        for population, chance in chances.items():
            sets = list(combinations(population, k))
            p = sum(rates[sum(drawn)] for drawn in sets) / len(sets)
            for child in following:
                following[child] += chance * prod(p if right else 1 - p for right in child)
        chances = following
        means.append(sum(chance * sum(p) / len(p) for p, chance in chances.items()))
    return means


@pytest.mark.parametrize("sizes", [[4, 4, 4], [4, 3, 5], [3, 3, 1]])
@pytest.mark.parametrize("rates", [[0.1, 0.2, 0.9], [0.0, 0.5, 0.9, 1.0], [0.7, 0.1]])
def test_prediction_is_the_sum_over_everything_that_can_happen(rates: list[float], sizes: list[int]) -> None:
    first = np.arange(1, sizes[0] + 2) / np.arange(1, sizes[0] + 2).sum()
    assert predict(np.array(rates), first, sizes) == pytest.approx(enumerated(rates, list(first), sizes))


@given(Shares, Shares, st.lists(Shares, min_size=9, max_size=9).filter(sum), st.integers(1, 8))
def test_where_r_is_a_line_the_mean_is_enough(rescue: float, keep: float, weights: list[float], k: int) -> None:
    first = np.array(weights) / sum(weights)
    rates = np.linspace(rescue, keep, k + 1)
    accuracies = predict(rates, first, [8] * 5)
    for before, after in pairwise(accuracies):
        assert after == pytest.approx(rescue + (keep - rescue) * before, abs=1e-9)


def test_equal_means_part_where_questions_differ() -> None:
    rates = np.array([0.0, 0.3, 0.9, 1.0])  # what most parents have, wins
    alike, apart = np.zeros(9), np.zeros(9)
    alike[4] = 1
    apart[[0, 8]] = 0.5
    assert predict(rates, apart, [8] * 6) == pytest.approx([0.5] * 6)
    assert predict(rates, alike, [8] * 6)[1] == pytest.approx(0.5 + 0.0857, abs=1e-3)


def test_a_simulated_model_runs_as_predicted(simulated_run: Record) -> None:
    predicted = trajectory(simulated_run)
    assert predicted is not None
    assert len(predicted.steps) == 5 + FURTHER
    assert predicted.guessed == []
    first = predicted.steps[0]
    assert first.measured == pytest.approx(first.predicted)
    expected = first.predicted
    for step in predicted.steps:
        assert step.low <= expected <= step.high  # r_c is a line, so the truth is known
        assert step.measured is None or abs(step.measured - step.predicted) < 0.03
        expected = 0.1 + 0.8 * expected
    costs = [cost.tokens or 0.0 for cost in costs_by_population(simulated_run)]
    assert [step.tokens for step in predicted.steps[:5]] == pytest.approx(costs)
    assert predicted.steps[6].tokens == pytest.approx(costs[4] + 2 * (costs[4] - costs[3]))


def test_a_count_that_never_occurred_is_guessed_from_its_neighbours(write: Write) -> None:
    record = write([["RRR", "RRR"], ["aaa", "aaa"]])  # all members are parents: 0 or 3 of 3 are right
    predicted = trajectory(record)
    assert predicted is not None
    assert predicted.guessed == [1, 2]
    assert [step.predicted for step in predicted.steps] == pytest.approx([0.5] * 12)
    assert predicted.enough == 1


def test_populations_of_other_sizes_are_not_carried_on(write: Write) -> None:
    predicted = trajectory(write([["Raa", "RRa", "R"], ["aRa", "RRa", "a"]]))
    assert predicted is not None
    assert [step.measured for step in predicted.steps] == pytest.approx([1 / 3, 2 / 3, 1 / 2])


@pytest.mark.parametrize("questions", [[["Ra"], ["aa"]]])
def test_without_aggregation_or_gold_there_is_nothing_to_predict(write: Write, questions: list[list[str]]) -> None:
    assert trajectory(write(questions)) is None
    assert trajectory(write([["Ra", "aa"]], gold=False)) is None


@pytest.mark.parametrize(
    ("accuracies", "least_gain", "expected"),
    [
        ([0.3, 0.4, 0.45, 0.455, 0.456], 0.01, 3),
        ([0.3, 0.305, 0.4, 0.5, 0.5], 0.01, 4),  # slow at first
        ([0.3, 0.29, 0.28], 0.01, 1),
        ([0.3, 0.4, 0.5], 0.01, None),
        ([0.3], 0.01, None),
    ],
)
def test_enough(accuracies: list[float], least_gain: float, expected: int | None) -> None:
    assert enough(accuracies, least_gain) == expected
