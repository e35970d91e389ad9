"""One population's numbers, against formulas written out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.analysis.summary import entropy, summarise, summarise_groups
from selfagg.record.record import Record

Write = Callable[..., Record]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_pass_at_k_is_the_mean_over_all_subsets(write: Write, k: int) -> None:
    populations = ["RabaR", "aaaaR", "abcde"]
    (population,) = summarise(write([[population] for population in populations])).populations
    by_hand = [["R" in subset for subset in combinations(population, k)] for population in populations]
    estimate = population.pass_at(k)
    assert estimate is not None
    assert estimate.mean == pytest.approx(sum(sum(found) / len(found) for found in by_hand) / 3)
    assert population.pass_at_n is not None
    assert population.pass_at_n.mean == pytest.approx(2 / 3)


def test_pass_at_one_is_the_accuracy_and_pass_at_all_is_pass_at_n(write: Write) -> None:
    (population,) = summarise(write([[population] for population in ("RabaR", "aaaaR", "abcde")])).populations
    for at_k, expected in ((population.pass_at(1), population.accuracy), (population.pass_at(5), population.pass_at_n)):
        assert at_k is not None
        assert expected is not None
        assert astuple(at_k) == pytest.approx(astuple(expected))


def test_pass_at_more_than_there_are_is_refused(write: Write) -> None:
    (population,) = summarise(write([["Ra"]])).populations
    with pytest.raises(ValueError, match="k <= n"):
        population.pass_at(3)
    (unknown,) = summarise(write([["Ra"]], gold=False)).populations
    assert unknown.pass_at(2) is None


def test_entropy_of_the_answers(write: Write) -> None:
    (population,) = summarise(write([["RRab"], ["aaaa"], ["--!/"]])).populations
    assert population.entropy == pytest.approx((1.5 + 0 + 0) / 3)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_entropy_lies_between_none_and_that_of_equal_shares(counts: list[int]) -> None:
    assert -1e-9 <= entropy(counts) <= math.log2(len(counts)) + 1e-9
    assert entropy([7] * len(counts)) == pytest.approx(math.log2(len(counts)))


def test_lengths_and_cuts(write: Write) -> None:
    (population,) = summarise(write([["Ra/!"], ["aaaa"]])).populations
    lengths = [10, 11, 12, 10, 11, 12, 13]
    assert population.token_quantiles[0.5] == 11
    assert population.token_quantiles[0.05] == pytest.approx(10)
    assert population.mean_tokens == sum(lengths) / 7
    assert (population.replies_cut, population.cut, population.failed) == (1, 1, 1)


def test_groups_are_added_up_apart(write: Write) -> None:
    record = write([["RR", "RR"], ["Ra", "aa"], ["aa", "Ra"]], groups=["sums", "maze", "maze"])
    maze, sums = summarise_groups(record)
    assert (maze.group, maze.questions, sums.group, sums.questions) == ("maze", 2, "sums", 1)
    assert [p.accuracy.mean for p in maze.populations if p.accuracy] == [0.25, 0.25]
    assert maze.answer_accuracy is not None
    assert maze.answer_accuracy.mean == 0.25
    assert sums.answer_accuracy is not None
    assert sums.answer_accuracy.mean == 1
