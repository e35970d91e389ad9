"""The arguments of TeX commands."""

from __future__ import annotations

from selfagg.scoring.answers.tex import braced, closing


def test_arguments_that_are_missing_do_not_fail() -> None:
    assert braced(r"\frac") == r"\frac{}{}"
    assert braced(r"\sqrt") == r"\sqrt{}"


def test_closing() -> None:
    assert closing("{a{b}c}d", 0) == 6
    assert closing("{a", 0) is None
