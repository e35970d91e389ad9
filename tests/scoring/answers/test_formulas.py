"""Formulas and sets of numbers: what they are parsed to, and the keys by which they are compared."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.scoring.answers.formulas import (
    expression,
    proportional_key,
    rational,
    region_key,
    relation_key,
    value_of,
)
from selfagg.scoring.answers.values import Unreadable, number


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        (r"\frac{1}{2}", Fraction(1, 2)),
        (r"-\sqrt{2+\sqrt{3}}\sqrt{2-\sqrt{3}}", Fraction(-1)),
        ("2.50", Fraction(5, 2)),
        (".125", Fraction(1, 8)),
        ("7.", Fraction(7)),
        ("1 1/2", Fraction(3, 2)),
        (r"3\frac{1}{4}", Fraction(13, 4)),
        (r"3\frac{5}{4}", Fraction(15, 4)),
        (r"\sqrt{4}", Fraction(2)),
        (r"\sqrt[3]{-8}", Fraction(-2)),
        (r"(-8)^{\frac{2}{3}}", Fraction(4)),
        ("2^{10}", Fraction(1024)),
        (r"\sin 30^\circ", Fraction(1, 2)),
        ("i^2", Fraction(-1)),
        (r"(\sqrt{2})^2", Fraction(2)),
        (r"\sqrt{3+2\sqrt{2}} - \sqrt{2}", Fraction(1)),
        (r"\sin(x)^2 + \cos(x)^2", Fraction(1)),
        ("2^{10^{3}}", Fraction(2**1000)),
    ],
)
def test_numbers_are_exact(text: str, exact: Fraction) -> None:
    assert value_of(expression(text)).key == number(exact).key


def test_fractions_are_read_as_such() -> None:
    assert rational(expression("1 1/2")) == Fraction(3, 2)
    assert rational(expression(r"\sqrt{2}")) is None


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("(x+1)^2", "x^2+2x+1", True),
        ("x+1", "x+2", False),
        ("x+y", "y+x", True),
        ("x+y", "x+z", False),
        (r"\frac{x^2-1}{x-1}", "x+1", True),
        (r"\sqrt{x^2}", "x", False),
        (r"\ln(x^2)", r"2\ln(x)", True),
        ("2^{n}", "2^{n+1}", False),
        (r"\sqrt{2}", r"\frac{2}{\sqrt{2}}", True),
        (r"\pi", r"\frac{22}{7}", False),
        ("2+3i", "3i+2", True),
        ("2+3i", "2-3i", False),
        ("4^{2^{2024}}", "2^{2^{2025}}", True),
        ("4^{2^{2024}}", "2^{2^{2024}}", False),
        ("100000!", r"100000 \cdot 99999!", True),
        ("100000!", "99999!", False),
        ("-4^{2^{2024}}", "4^{2^{2024}}", False),
    ],
)
def test_formulas_are_equal_by_their_values(one: str, other: str, equal: bool) -> None:
    assert (value_of(expression(one)).key == value_of(expression(other)).key) is equal


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 9))
@settings(max_examples=25)
def test_a_formula_is_its_multiple_divided(slope: int, offset: int, factor: int) -> None:
    written, multiple = f"({slope})x+({offset})", f"({slope * factor})x+({offset * factor})"
    same = value_of(expression(rf"\frac{{{multiple}}}{{{factor}}}")).key
    assert value_of(expression(written)).key == same
    if slope:
        keys = [proportional_key(expression(text)) for text in (written, multiple, f"-({multiple})")]
        assert len(set(keys)) == 1
        assert proportional_key(expression(f"-({multiple})"), positive=True) != proportional_key(
            expression(written), positive=True
        )


@pytest.mark.parametrize(
    "text", ["", r"\text{five}", "1,2", "x > 2", "1 2", r"\sqrt{}", "?", r"\frac{1", r"1 \ldots", "5 3/2"]
)
def test_what_is_no_formula(text: str) -> None:
    with pytest.raises(Unreadable):
        expression(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("x>3", "range (3 , oo)"),
        ("3<x", "range (3 , oo)"),
        (r"x \le 2", "range (-oo , 2]"),
        ("-x<3", "range (-3 , oo)"),
        (r"2x+1 \ge 5", "range [2 , oo)"),
        ("x=2", "set 2"),
        (r"x \ne 1", "range range (-oo , 1) or range (1 , oo)"),
        ("1<x<3", "range (1 , 3)"),
        ("x>1,x<3", "range (1 , 3)"),
        ("x^2<4", "range (-2 , 2)"),
        ("|x|<2", "range (-2 , 2)"),
        ("[1,2)", "range [1 , 2)"),
        (r"(-\infty,3)", "range (-oo , 3)"),
        (r"[0,1] \cup \{3\}", "range range [0 , 1] or set 3"),
        (r"(0,2) \cap (1,3)", "range (1 , 2)"),
        (r"\mathbb{R} \setminus \{0\}", "range range (-oo , 0) or range (0 , oo)"),
        (r"x \in (1,2)", "range (1 , 2)"),
        (r"(-\infty,\infty)", "range R"),
        (r"\emptyset", "set "),
        (r"\mathbb{Z}", "range Integers"),
    ],
)
def test_ranges_are_sets_of_numbers(text: str, key: str) -> None:
    assert region_key(text) == key


@pytest.mark.parametrize(
    "text", ["(2,1)", "x+y<1", "x", "x>x", r"x>\sqrt{-2}", r"[\sqrt{-1},2]", "2^{x}>3", "x^5-x>1", "(1,1)"]
)
def test_what_is_no_set_of_real_numbers(text: str) -> None:
    with pytest.raises(Unreadable):
        region_key(text)


def test_relations_of_several_unknowns() -> None:
    assert relation_key("x+y<3") == relation_key("3>x+y") == relation_key("2x+2y<6")
    assert relation_key("x+y<3") != relation_key(r"x+y \le 3")
    assert relation_key("x+y<3") != relation_key("x+y>3")
    assert relation_key(r"x \ne y") == relation_key(r"y \ne x")
