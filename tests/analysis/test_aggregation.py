"""r_c by hand, the coverage of its interval by simulation, and against a model whose r_c is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from selfagg.analysis.aggregation import aggregations
from selfagg.analysis.statistics import Estimate, share
from selfagg.record.record import Record

Write = Callable[..., Record]
Share = st.floats(0, 1)


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
    assert counts.right.tolist() == [[1, 2, 1], [0, 1, 1]]
    assert counts.tried.tolist() == [[[1, 2, 0], [0, 2, 1]], [[3, 0, 0], [1, 2, 0]]]
    assert counts.succeeded.tolist() == [[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 0]]]
    shares = [estimate and (estimate.mean, estimate.n_values) for estimate in counts.right_by_parents()]
    assert shares == [(2 / 5, 5), (2 / 6, 6), (1, 1)]
    to_second = counts.right_by_parents(t=2)
    assert to_second[2] is None
    assert to_second[0] is not None
    assert to_second[0].mean == 2 / 4


@pytest.mark.parametrize("questions", [[["RR"], ["aa"]], [["!!", "!!"]]])
def test_nothing_to_count(write: Write, questions: list[list[str]]) -> None:
    counts = aggregations(write(questions))
    assert counts is None or counts.succeeded.sum() == 0
    assert aggregations(write([["Ra", "RR"]], gold=False)) is None


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


def test_the_known_chances_of_a_simulated_model_are_found(simulated_run: Record) -> None:
    counts = aggregations(simulated_run)
    assert counts is not None
    assert counts.tried.sum() == 150 * 8 * 4
    for c, estimate in enumerate(counts.right_by_parents()):
        assert estimate is not None
        assert estimate.mean == pytest.approx(0.1 + 0.8 * c / 3, abs=0.03)
        assert estimate.high - estimate.low < 0.12


@given(st.lists(st.tuples(st.integers(0, 200), Share), min_size=1, max_size=8))
def test_the_interval_holds_the_share_however_uneven_the_tries(questions: list[tuple[int, float]]) -> None:
    tried = np.array([count for count, _ in questions])
    succeeded = np.array([round(count * part) for count, part in questions])
    estimate = share(succeeded, tried)
    if estimate is not None:
        assert 0 <= estimate.low <= estimate.mean + 1e-9
        assert estimate.mean - 1e-9 <= estimate.high <= 1
