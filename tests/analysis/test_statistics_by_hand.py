"""Intervals, tests and corrections, worked out once more from their formulas."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import pytest
from scipy.stats import t as student
from statsmodels.stats.power import TTestPower  # type: ignore[import-untyped]

from selfagg.analysis.statistics import PairedComparison, correct_for_many, mean_interval, paired_difference

ONE = PairedComparison(0.3, 0.1, 0.5, 0.02, "by hand", 10, 0.4, "better")


def by_hand(mean: float, variance: float, questions: int, values: int) -> tuple[float, float]:
    """Wilson's interval of the formula in `mean_interval`, written down once more."""
    worst = mean * (1 - mean)
    information = 4 * questions * worst
    variance = (information * variance + worst) / (information + 1)
    size = min(questions * worst / variance, values)
    z = student.ppf(0.975, questions - 1)
    centre, half = mean + z**2 / (2 * size), z * math.sqrt(worst / size + z**2 / (4 * size**2))
    return (centre - half) / (1 + z**2 / size), (centre + half) / (1 + z**2 / size)


def test_the_interval_by_hand() -> None:
    values_by_question = [[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0], [0.0] * 4, [1.0] * 4, [0.0, 0.0, 1.0, 0.0]]
    means = [sum(values) / 4 for values in values_by_question]
    estimate = mean_interval(values_by_question)
    assert estimate.mean == pytest.approx(0.5)
    expected = by_hand(0.5, statistics.variance(means), 5, 20)  # the sample's variance: n - 1
    assert (estimate.low, estimate.high) == pytest.approx(expected, rel=1e-9)


def test_members_that_differ_within_their_questions_alone_count_as_independent_values_and_no_more() -> None:
    estimate = mean_interval([[1.0, 0.0]] * 30)
    size_of_independent = by_hand(0.5, 0.0, 30, 60)
    assert (estimate.low, estimate.high) == pytest.approx(size_of_independent, rel=1e-9)
    uncapped = by_hand(0.5, 0.0, 30, 10**9)
    assert estimate.high - estimate.low > 1.5 * (uncapped[1] - uncapped[0])


def test_amounts_have_students_interval() -> None:
    differences = [3.0, 5.0, 4.0, 8.0, 1.0]
    comparison = paired_difference([[d] for d in differences], [[0.0]] * 5, bounded=False)
    half = student.ppf(0.975, 4) * statistics.stdev(differences) / math.sqrt(5)
    assert (comparison.low, comparison.high) == pytest.approx((4.2 - half, 4.2 + half))
    assert comparison.method == "t interval; exact sign-flip test"
    effect = TTestPower().solve_power(nobs=5, alpha=0.05, power=0.8)
    assert comparison.smallest_detectable == pytest.approx(effect * statistics.stdev(differences))


def test_few_accuracies_have_students_interval_with_some_of_the_worst_variance() -> None:
    differences = [0.5, 0.25, 0.0, -0.25, 0.75]
    comparison = paired_difference([[max(d, 0.0)] for d in differences], [[max(-d, 0.0)] for d in differences])
    added = 2 / (1 + 4)  # four differ from the commonest
    variance = (5 * statistics.variance(differences) + added) / (5 + added)
    half = student.ppf(0.975, 4) * math.sqrt(variance / 5)
    assert (comparison.low, comparison.high) == pytest.approx((0.25 - half, 0.25 + half))


def test_no_interval_of_accuracies_leaves_its_bounds() -> None:
    comparison = paired_difference([[1.0], [0.0], [1.0]], [[0.0], [0.0], [0.0]])
    assert comparison.high == 1.0
    back = paired_difference([[0.0], [0.0], [0.0]], [[1.0], [0.0], [1.0]])
    assert (back.low, back.verdict) == (-1.0, "cannot tell")


@pytest.mark.parametrize(("changed", "test"), [(1, "no test: fewer than two"), (14, "exact"), (15, "sampled")])
def test_the_test_is_exact_up_to_fourteen_questions_that_differ(changed: int, test: str) -> None:
    comparison = paired_difference([[1.0]] * changed + [[0.0]] * 20, [[0.0]] * (changed + 20))
    assert test in comparison.method
    if changed == 14:
        assert comparison.p_value == pytest.approx(2 / 2**14)


def test_the_bootstrap_is_taken_from_fifty_questions_unlike_most() -> None:
    few, many = ([[i / 100] for i in range(unlike)] + [[0.99]] * 60 for unlike in (49, 50))
    assert paired_difference(few, [[0.0]] * len(few)).method.startswith("t interval")
    assert paired_difference(many, [[0.0]] * len(many)).method.startswith("BCa bootstrap")


def test_many_comparisons_are_corrected_step_by_step() -> None:
    """Holm's: the smallest p-value times all, the next times one less; Bonferroni would multiply each by all."""
    base = ONE
    comparisons = [replace(base, p_value=p) for p in (0.03, 0.001, 0.02, 0.2)]
    assert [c.p_value for c in correct_for_many(comparisons)] == pytest.approx([0.06, 0.004, 0.06, 0.2])
    assert [c.verdict for c in correct_for_many(comparisons)] == ["cannot tell", "better", "cannot tell", "cannot tell"]


def test_a_verdict_needs_the_interval_and_the_test() -> None:
    base = ONE
    for low, high, p_value, verdict in (
        (0.1, 0.5, 0.04, "better"), (0.1, 0.5, 0.06, "cannot tell"), (-0.5, -0.1, 0.04, "worse"),
        (-0.1, 0.5, 0.04, "cannot tell"), (0.0, 0.5, 0.04, "cannot tell"), (-0.5, 0.0, 0.04, "cannot tell"),
    ):  # fmt: skip
        (told,) = correct_for_many([replace(base, low=low, high=high, p_value=p_value)])
        assert told.verdict == verdict


def test_two_questions_can_detect_nothing_and_three_can() -> None:
    two = paired_difference([[5.0], [9.0]], [[1.0], [2.0]], bounded=False)
    three = paired_difference([[5.0], [9.0], [7.0]], [[1.0], [2.0], [4.0]], bounded=False)
    assert two.smallest_detectable is None
    assert three.smallest_detectable is not None
    assert paired_difference([[1.0], [0.0], [0.0]], [[0.0], [1.0], [0.0]]).smallest_detectable is None  # above 1
    assert paired_difference([[2.0]] * 4, [[1.0]] * 4, bounded=False).smallest_detectable is None  # all alike
