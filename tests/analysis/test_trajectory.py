"""Prediction against enumeration of every outcome, against what is known of a line, and against a simulated model."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise, product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import binom

from selfagg.analysis.aggregation import Aggregations
from selfagg.analysis.costs import costs_by_population
from selfagg.analysis.statistics import wilson
from selfagg.analysis.trajectory import FURTHER, enough, over_questions, predict, skill_of, trajectory
from selfagg.record.record import Record

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


N, K, T = 8, 3, 5


def simulated_counts(questions: int, skill: float, rng: np.random.Generator) -> tuple[Aggregations, list[float]]:
    """A run whose questions differ in how they begin and in skill; and what each one's accuracies are to be."""
    ease = rng.normal(size=questions)
    rates = expit(
        logit(np.array([0.05, 0.3, 0.7, 0.95])) + skill * (0.7 * ease + 0.7 * rng.normal(size=questions))[:, None]
    )
    begin = expit(-0.4 + 1.5 * ease)
    right = np.zeros((questions, T), dtype=np.int64)
    tried = np.zeros((questions, T - 1, K + 1), dtype=np.int64)
    succeeded = np.zeros_like(tried)
    right[:, 0] = rng.binomial(N, begin)
    for t in range(1, T):
        for q in range(questions):
            drawn = rng.hypergeometric(right[q, t - 1], N - right[q, t - 1], K, size=N)
            won = rng.random(N) < rates[q, drawn]
            tried[q, t - 1] = np.bincount(drawn, minlength=K + 1)
            succeeded[q, t - 1] = np.bincount(drawn[won], minlength=K + 1)
            right[q, t] = won.sum()
    starts = np.asarray(binom.pmf(np.arange(N + 1), N, begin[:, None]))
    truth = predict(rates, starts, [N] * (T + FURTHER)).mean(axis=0)
    return Aggregations(K, (N,) * T, right, tried, succeeded, np.arange(questions)), list(truth)


@pytest.mark.parametrize("skill", [0.0, 1.0])
def test_the_interval_covers_what_it_says_for_ten_questions(skill: float) -> None:
    """Coverage by population; at 95 % fewer than 47 of 54 runs come in 2 % of all cases.

    docs/evaluation.md has the figures of more runs.
    """
    rng = np.random.default_rng(4)
    _, truth = simulated_counts(4000, skill, np.random.default_rng(5))
    covered = np.zeros(T + FURTHER)
    for _ in range(54):
        counts, _ = simulated_counts(10, skill, rng)
        ends = intervals(counts)
        covered += [low <= true <= high for (low, high), true in zip(ends, truth, strict=True)]
    assert covered.min() >= 47
    assert covered.mean() <= 53.9  # and not by being as wide as can be


def intervals(counts: Aggregations) -> list[tuple[float, float]]:
    predicted, variance = over_questions(counts, [N] * (T + FURTHER))
    asked = len(counts.right)
    return [wilson(float(p), float(v), asked, asked * N * T) for p, v in zip(predicted, variance, strict=True)]


def test_skill_that_differs_is_no_error_of_the_prediction() -> None:
    """One r_c for all questions misses the last population by 4 points here."""
    counts, truth = simulated_counts(400, 1.5, np.random.default_rng(8))
    predicted, _ = over_questions(counts, [N] * (T + FURTHER))
    assert predicted[-1] == pytest.approx(truth[-1], abs=0.015)
    alike = counts.succeeded.sum(axis=(0, 1)) / counts.tried.sum(axis=(0, 1))
    first = np.bincount(counts.right[:, 0], minlength=N + 1) / 400
    assert abs(predict(alike, first, [N] * (T + FURTHER))[-1] - truth[-1]) > 0.04


def test_r_c_of_questions_alike_is_their_share() -> None:
    rng = np.random.default_rng(1)
    tried = np.full((50, 3), 200)
    succeeded = rng.binomial(tried, [0.1, 0.5, 0.9])
    skill = skill_of(tried, succeeded)
    assert skill.chances.sum(axis=1) == pytest.approx(1)
    each = skill.chances @ skill.rates
    assert each.mean(axis=0) == pytest.approx(succeeded.sum(axis=0) / tried.sum(axis=0), abs=0.005)
    assert each.std(axis=0).max() < 0.02
    apart = rng.binomial(tried, expit(logit(np.array([0.1, 0.5, 0.9])) + 2 * rng.normal(size=(50, 1))))
    found = skill_of(tried, apart)
    assert found.chances @ found.rates == pytest.approx(apart / tried, abs=0.15)


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
