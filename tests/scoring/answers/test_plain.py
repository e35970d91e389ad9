"""What needs no worker process, and reads as the worker would read it."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.scoring.answers.plain import plain_number, text_value, unwrapped
from selfagg.scoring.answers.values import number


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
