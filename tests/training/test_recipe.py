from __future__ import annotations

from dataclasses import asdict
from math import comb
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.errors import UsageError
from selfagg.training.recipe import Recipe, draw_subsets, mixture


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0, 1))
def test_a_mixture_has_its_share_to_rounding_and_uses_one_kind_up(plain: int, drawn: int, fraction: float) -> None:
    n_plain, n_drawn = mixture(plain, drawn, fraction)
    assert 0 <= n_plain <= plain
    assert 0 <= n_drawn <= drawn
    assert abs(n_drawn - fraction * (n_plain + n_drawn)) <= 0.5 + 1e-9
    assert n_plain == plain or n_drawn == drawn


def test_the_plain_cases_of_a_mixture() -> None:
    assert mixture(30, 120, 0) == (30, 0)
    assert mixture(30, 120, 1) == (0, 120)
    assert mixture(30, 120, 0.5) == (30, 30)
    assert mixture(30, 20, 0.5) == (20, 20)
    assert mixture(30, 120, 0.75) == (30, 90)


@given(st.data(), st.integers(1, 8), st.integers(0, 10**6))
def test_draws_are_different_sets_of_usable_candidates(data: st.DataObject, k: int, seed: int) -> None:
    usable = data.draw(st.lists(st.integers(0, 30), min_size=k, max_size=10, unique=True))
    draws = data.draw(st.integers(1, 40))
    drawn = draw_subsets(seed, "q", usable, k=k, draws=draws)
    assert len(drawn) == min(draws, comb(len(usable), k))
    assert len({frozenset(members) for members in drawn}) == len(drawn)
    for members in drawn:
        assert len(members) == len(set(members)) == k
        assert set(members) <= set(usable)
    assert draw_subsets(seed, "q", usable, k=k, draws=draws + 3)[: len(drawn)] == drawn


def test_draws_are_uniform_in_set_and_order() -> None:
    seen = [members for q in range(3_000) for members in draw_subsets(1, f"q{q}", range(4), k=2, draws=1)]
    counts = {pair: seen.count(pair) for pair in set(seen)}
    assert len(counts) == 12
    assert all(250 * 0.7 < number < 250 * 1.3 for number in counts.values())  # 4.9 standard deviations


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"k": 5, "pool": 4}, "k = 5, but a pool of 4"),
        ({"k": 0}, "k = 0, but it is at least 1"),
        ({"pool": 0}, "pool = 0"),
        ({"draws": 0}, "draws = 0"),
        ({"held_out": -1}, "held_out = -1"),
        ({"fraction": 1.5}, r"fraction = 1\.5, but it is a share"),
        ({"fraction": float("nan")}, "fraction = nan"),
        ({"draws": 2}, "a pool of 4 holds 1 different sets of 4; a pool of 5 holds 5"),
        ({"draws": 20, "k": 2, "pool": 4}, "a pool of 4 holds 6 different sets of 2; a pool of 7 holds 21"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Recipe(**given)


def test_the_recipe_is_the_papers_unless_another_is_asked_for() -> None:
    paper = {"k": 4, "pool": 4, "draws": 1, "fraction": 0.5, "max_prompt_tokens": None, "held_out": 0}
    assert asdict(Recipe()) == paper | {"all_right": "keep", "all_wrong": "keep", "too_long": "shorten"}
    assert (Recipe(k=2).pool, Recipe(k=2, pool=6).pool) == (2, 6)


def test_filters_go_by_the_right_ones() -> None:
    assert [c for c in range(5) if Recipe(all_right="drop").keeps(c)] == [0, 1, 2, 3]
    assert [c for c in range(5) if Recipe(all_wrong="drop").keeps(c)] == [1, 2, 3, 4]
    assert [c for c in range(5) if Recipe(all_right="drop", all_wrong="drop").keeps(c)] == [1, 2, 3]
    assert [c for c in range(5) if Recipe().keeps(c)] == [0, 1, 2, 3, 4]
