from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import bootstrap, permutation_test, ttest_1samp
from statsmodels.stats.power import TTestPower  # type: ignore[import-untyped]
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

from selfagg.analysis.statistics import (
    Estimate,
    PairedComparison,
    correct_for_many,
    mean_interval,
    paired_difference,
    pass_at_k,
    share,
)

values = st.lists(st.floats(0, 1), min_size=1, max_size=5)


def right_or_wrong(rng: np.random.Generator, chances: NDArray[np.float64], members: int) -> list[list[float]]:
    drawn: list[list[float]] = (rng.random((len(chances), members)) < chances[:, None]).astype(float).tolist()
    return drawn


@pytest.mark.parametrize("accuracy", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("questions", [8, 30, 100])
def test_the_interval_covers_the_accuracy(questions: int, accuracy: float) -> None:
    rng = np.random.default_rng(questions)
    for alike in (0.2, 0.7):  # correlation of the members of one question
        spread = (1 - alike) / alike
        trials, covered = 120, 0
        for _ in range(trials):
            chances = rng.beta(accuracy * spread, (1 - accuracy) * spread, questions)
            estimate = mean_interval(right_or_wrong(rng, chances, 4))
            covered += estimate.low <= accuracy <= estimate.high
        assert covered / trials >= 0.89  # three standard errors below 95 %


def test_the_interval_is_no_wider_than_questions_of_one_member_need() -> None:
    rng = np.random.default_rng(0)
    chances = rng.random(200)
    many = mean_interval(right_or_wrong(rng, chances, 32))
    one = mean_interval(right_or_wrong(rng, chances, 1))
    assert many.high - many.low < 0.7 * (one.high - one.low)


def test_one_member_a_question_is_nearly_the_plain_wilson_interval() -> None:
    estimate = mean_interval([[1.0]] * 60 + [[0.0]] * 140)
    low, high = proportion_confint(60, 200, method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.002)
    assert (estimate.n_questions, estimate.n_values) == (200, 200)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_right_or_all_wrong_still_has_an_interval(value: float) -> None:
    estimate = mean_interval([[value] * 16] * 30)
    assert estimate.mean == value
    assert 0.09 < estimate.high - estimate.low < 0.15  # the rule of three says 0.1
    assert mean_interval([[value] * 16]).high - mean_interval([[value] * 16]).low == 1


@given(st.lists(values, min_size=1, max_size=20))
def test_the_interval_holds_the_mean_and_stays_within_bounds(by_question: list[list[float]]) -> None:
    estimate = mean_interval(by_question)
    assert estimate.mean == pytest.approx(sum(sum(v) / len(v) for v in by_question) / len(by_question))
    assert 0 <= estimate.low <= estimate.mean + 1e-9
    assert estimate.mean - 1e-9 <= estimate.high <= 1


def test_questions_weigh_the_same_however_many_values_they_have() -> None:
    estimate = mean_interval([[1.0], [0.0] * 9, []])
    assert (estimate.mean, estimate.n_questions, estimate.n_values) == (0.5, 2, 10)


def test_values_that_are_no_accuracy_are_refused() -> None:
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        mean_interval([[120.0]])
    with pytest.raises(ValueError, match="no question"):
        mean_interval([[], []])


@given(st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_right_member(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 9))
    c = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    draws = list(itertools.combinations([1] * c + [0] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws), abs=1e-12)


def test_pass_at_k_broadcasts_and_is_stable_for_large_n() -> None:
    chances = pass_at_k(16, [0, 1, 16], [[1], [16]])
    assert chances.tolist() == [[0, pytest.approx(1 / 16), 1], [0, 1, 1]]
    exact = 1 - math.comb(99_990, 50) / math.comb(100_000, 50)
    assert pass_at_k(100_000, 10, 50) == pytest.approx(exact, rel=1e-5)
    with pytest.raises(ValueError, match="pass@k"):
        pass_at_k(4, 5, 1)
    with pytest.raises(ValueError, match="pass@k"):
        pass_at_k(4, 2, 5)


def pair(rng: np.random.Generator, questions: int, gain: float, members: int = 4) -> PairedComparison:
    difficulty = rng.normal(0, 2, questions)
    better = right_or_wrong(rng, expit(difficulty + gain), members)
    return paired_difference(better, right_or_wrong(rng, expit(difficulty), members))


def true_difference(gain: float) -> float:
    difficulty = np.random.default_rng(0).normal(0, 2, 400_000)
    return float((expit(difficulty + gain) - expit(difficulty)).mean())


@pytest.fixture
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer draws, for tests that repeat an experiment: its chance is far larger than theirs."""
    monkeypatch.setattr("selfagg.analysis.statistics.RESAMPLES", 2**11)


@pytest.mark.usefixtures("fewer_resamples")
@pytest.mark.parametrize("questions", [8, 30])
def test_equal_methods_are_told_apart_in_at_most_five_percent(questions: int) -> None:
    rng = np.random.default_rng(questions)
    comparisons = [pair(rng, questions, gain=0) for _ in range(100)]
    assert np.mean([c.p_value <= 0.05 for c in comparisons]) <= 0.115  # three standard errors above 5 %
    assert np.mean([c.low <= 0 <= c.high for c in comparisons]) >= 0.885
    assert all(c.verdict == "cannot tell" for c in comparisons if c.p_value > 0.05)


@pytest.mark.parametrize(("questions", "trials"), [(8, 100), (30, 60), (120, 40)])
def test_the_difference_is_covered(questions: int, trials: int) -> None:
    rng = np.random.default_rng(questions)
    truth = true_difference(1.5)
    comparisons = [pair(rng, questions, gain=1.5) for _ in range(trials)]
    assert np.mean([c.low <= truth <= c.high for c in comparisons]) >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / trials)
    assert not any(c.verdict == "worse" for c in comparisons)
    if questions == 120:
        assert all("bootstrap" in c.method and c.verdict == "better" for c in comparisons)


@pytest.mark.usefixtures("fewer_resamples")
def test_a_difference_as_large_as_the_smallest_detectable_is_found_in_four_of_five() -> None:
    rng = np.random.default_rng(1)
    gain = 0.9
    comparisons = [pair(rng, 40, gain) for _ in range(60)]
    detectable = float(np.mean([c.smallest_detectable for c in comparisons if c.smallest_detectable is not None]))
    found = float(np.mean([c.verdict == "better" for c in comparisons]))
    truth = true_difference(gain)
    power = TTestPower().power(truth / detectable * TTestPower().solve_power(nobs=40, alpha=0.05, power=0.8), 40, 0.05)
    assert found == pytest.approx(power, abs=0.2)


def test_the_tests_agree_with_scipy() -> None:
    rng = np.random.default_rng(4)
    few, many = rng.random(10), rng.random(80)
    exact = permutation_test((few - 0.3,), np.mean, permutation_type="samples")
    comparison = paired_difference([[x] for x in few], [[0.3]] * 10)
    assert comparison.p_value == exact.pvalue
    assert comparison.method.endswith("exact sign-flip test")
    comparison = paired_difference([[x] for x in many], [[0.45]] * 80)
    drawn = bootstrap((many - 0.45,), np.mean, rng=rng).confidence_interval
    assert (comparison.low, comparison.high) == pytest.approx((drawn.low, drawn.high), abs=0.01)
    assert comparison.p_value == pytest.approx(ttest_1samp(many - 0.45, 0).pvalue, abs=0.02)


@given(st.lists(st.tuples(values, values), min_size=1, max_size=7))
def test_swapping_the_methods_turns_the_comparison_around(pairs: list[tuple[list[float], list[float]]]) -> None:
    a, b = zip(*pairs, strict=True)
    forth, back = paired_difference(a, b), paired_difference(b, a)
    assert (forth.difference, forth.low) == pytest.approx((-back.difference, -back.high))
    assert forth.p_value == pytest.approx(back.p_value)
    assert {forth.verdict, back.verdict} in ({"cannot tell"}, {"better", "worse"})


def test_differences_without_spread_still_have_an_interval() -> None:
    right, wrong = [[1.0]] * 30, [[0.0]] * 30
    same, apart = paired_difference(right, right), paired_difference(right, wrong)
    assert same.low < -0.05 < 0.05 < same.high
    assert (same.p_value, same.verdict) == (1.0, "cannot tell")
    assert 0.8 < apart.low < 0.95
    assert apart.verdict == "better"


def test_one_question_tells_nothing() -> None:
    comparison = paired_difference([[1.0]], [[0.0]])
    assert (comparison.low, comparison.high, comparison.p_value) == (-1, 1, 1)
    assert (comparison.smallest_detectable, comparison.verdict) == (None, "cannot tell")


def test_amounts_are_compared_without_bounds() -> None:
    many, few = [[500.0 + 10 * i] for i in range(12)], [[200.0 + 9 * i] for i in range(12)]
    comparison = paired_difference(many, few, bounded=False)
    assert comparison.verdict == "better"
    assert comparison.low > 300
    assert comparison.p_value == pytest.approx(2 / 2**12)


def test_questions_that_one_method_lacks_are_left_out() -> None:
    assert paired_difference([[1.0], [], [1.0]], [[0.0], [1.0], []]).n_questions == 1
    with pytest.raises(ValueError, match="no question"):
        paired_difference([[1.0]], [[]])
    with pytest.raises(ValueError, match="zip"):
        paired_difference([[1.0]], [[1.0], [0.0]])


def test_many_comparisons_are_corrected() -> None:
    rng = np.random.default_rng(2)
    single = pair(rng, 10, 2.5)
    assert 0.01 < single.p_value <= 0.05
    assert single.verdict == "better"
    corrected = correct_for_many([single] * 5)
    assert [c.p_value for c in corrected] == pytest.approx([5 * single.p_value] * 5)
    assert {c.verdict for c in corrected} == {"cannot tell"}
    assert correct_for_many([]) == []


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_interval_of_r_c_covers_and_is_no_wider_than_it_must_be(spread: float) -> None:
    """Ten questions that differ in how often they try: what RSA gives, with and without a skill of its own for each."""
    rng = np.random.default_rng(11)
    chance = expit(spread * rng.normal(size=200_000)).mean()
    covered, widths, rounds = 0, [], 400
    for _ in range(rounds):
        tried = rng.binomial(32, rng.beta(1, 1, size=10))
        estimate = share(rng.binomial(tried, expit(spread * rng.normal(size=10))), tried)
        assert estimate is not None
        covered += estimate.low <= chance <= estimate.high
        widths.append(estimate.high - estimate.low)
    assert 0.92 <= covered / rounds <= 0.99
    assert np.mean(widths) < (0.24 if spread == 0 else 0.38)


@pytest.mark.parametrize("right", [0, 6])
def test_nothing_but_right_or_wrong_still_has_an_interval(right: int) -> None:
    estimate = share(np.full(10, right), np.full(10, 6))
    assert estimate is not None
    assert estimate.mean == pytest.approx(estimate.high if right else estimate.low)
    assert 0.1 < estimate.high - estimate.low < 0.3


def test_one_question_tells_nothing_about_others() -> None:
    assert share(np.array([3, 0]), np.array([4, 0])) == Estimate(0.75, 0.0, 1.0, 1, 4)
    assert share(np.array([0, 0]), np.array([0, 0])) is None


def test_the_interval_covers_where_questions_differ_in_tries_and_chances() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    rounds = 600
    for _ in range(rounds):
        tried = rng.integers(0, 17, size=25)
        succeeded = rng.binomial(tried, rng.beta(1.2, 0.8, size=25))  # 0.6 on average, whatever the tries
        estimate = share(succeeded, tried)
        assert estimate is not None
        covered += estimate.low <= 0.6 <= estimate.high
    assert 0.925 < covered / rounds < 0.98


@given(st.lists(st.tuples(st.integers(0, 200), st.floats(0, 1)), min_size=1, max_size=8))
def test_the_interval_holds_the_share_however_uneven_the_tries(questions: list[tuple[int, float]]) -> None:
    tried = np.array([count for count, _ in questions])
    succeeded = np.array([round(count * part) for count, part in questions])
    estimate = share(succeeded, tried)
    if estimate is not None:
        assert 0 <= estimate.low <= estimate.mean + 1e-9
        assert estimate.mean - 1e-9 <= estimate.high <= 1
