"""Values are compared by one rule; plain numbers and texts are read without sympy."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.scoring.answers.values import (
    Value,
    exact_key,
    first_equal,
    number,
    plain_number,
    rounded_key,
    same,
    text_value,
    unwrapped,
)

values = st.builds(
    Value,
    st.sampled_from(["number", "quantity", "list", "tuple"]),
    st.lists(st.sampled_from("abcde"), min_size=1, max_size=3, unique=True).map(tuple),
)


def partition(votes: list[Value]) -> set[frozenset[Value]]:
    firsts = first_equal(votes)
    return {frozenset(vote for vote, place in zip(votes, firsts, strict=True) if place == first) for first in firsts}


def test_values_of_one_kind_must_agree_exactly_and_of_two_kinds_in_any_reading() -> None:
    centimetres, kilograms = Value("quantity", ("5 length", "5")), Value("quantity", ("5 mass", "5"))
    assert not same(centimetres, kilograms)
    assert same(centimetres, Value("number", ("5",)))
    assert not same(centimetres, Value("number", ("6",)))


@given(values, values)
def test_a_vote_of_two_is_the_score(one: Value, other: Value) -> None:
    assert same(one, other) is same(other, one)
    assert (first_equal([one, other]) == [0, 0]) is same(one, other)


@given(st.lists(values, max_size=8), st.randoms())
def test_groups_do_not_depend_on_the_order(votes: list[Value], chance: object) -> None:
    groups = partition(votes)
    chance.shuffle(votes)  # type: ignore[attr-defined]
    assert partition(votes) == groups


@given(st.lists(values, max_size=8))
def test_each_value_points_at_the_first_of_its_group(votes: list[Value]) -> None:
    firsts = first_equal(votes)
    assert all(firsts[first] == first <= place for place, first in enumerate(firsts))
    assert all(firsts[votes.index(vote)] == first for vote, first in zip(votes, firsts, strict=True))


def test_who_can_join_several_groups_joins_by_the_first_reading_that_fits() -> None:
    half, fifty, percent = Value("number", ("1/2",)), Value("number", ("50",)), Value("quantity", ("p", "1/2", "50"))
    assert first_equal([percent, fifty, half]) == [0, 1, 0]
    assert first_equal([fifty, percent]) == [0, 0]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ((Fraction(1, 3), 0), (Fraction(333333, 10**6), 6), True),
        ((Fraction(1, 3), 0), (Fraction(33333, 10**5), 5), False),
        ((Fraction(1), 0), (Fraction(10**7 + 1, 10**7), 7), False),
        ((Fraction(3, 10), 0), (Fraction("0.30000000000000004"), 17), True),
        ((Fraction(1, 10**7), 7), (Fraction(2, 10**7), 7), False),
        ((Fraction(1, 12), 0), (Fraction("0.0833333333333333"), 16), True),
    ],
)
def test_a_decimal_of_six_places_may_be_a_rounding(
    one: tuple[Fraction, int], other: tuple[Fraction, int], equal: bool
) -> None:
    assert same(number(*one), number(*other)) is equal


def test_keys_are_exact_and_have_no_limit_of_digits() -> None:
    assert exact_key(Fraction(10**6000)) != exact_key(Fraction(10**6000 + 1))
    assert rounded_key(Fraction(1, 2**99)) != rounded_key(Fraction(1, 2**98))


@pytest.mark.parametrize(
    ("answer", "exact"),
    [
        ("5", Fraction(5)),
        ("033", Fraction(33)),
        (r"\text{033}", Fraction(33)),
        (r"$\mathbf{33}$.", Fraction(33)),
        ("-.5", Fraction(-1, 2)),
        ("5.", Fraction(5)),
        ("1,000", Fraction(1000)),
        (r"1{,}000", Fraction(1000)),
        (r"1\,000", Fraction(1000)),
        ("1 000 000", Fraction(10**6)),
        ("-3/4", Fraction(-3, 4)),
        (r"\dfrac{6}{8}", Fraction(3, 4)),
        (r"\frac12", Fraction(1, 2)),
    ],
)
def test_plain(answer: str, exact: Fraction) -> None:
    found = plain_number(answer)
    assert found is not None
    assert found == number(exact)


@pytest.mark.parametrize("answer", ["", "x", "1/0", "1,00", "1,2", "5!", "5 cm", "1 2", "..", "1.2.3", "9" * 5000])
def test_not_plain(answer: str) -> None:
    assert plain_number(answer) is None


def test_text_is_compared_without_case_spacing_and_fonts() -> None:
    assert text_value(r"\text{New  York}.") == text_value("new york")
    assert text_value("New York") != text_value("York New")


@given(st.text(max_size=40))
def test_unwrapping_is_total(text: str) -> None:
    assert len(unwrapped(text)) <= len(text)
