"""Units and what they are made of."""

from __future__ import annotations

from fractions import Fraction

import pytest

from selfagg.scoring.answers.words import unit


@pytest.mark.parametrize(
    ("text", "dimension", "factor"),
    [
        ("cm", "length^1", Fraction(1, 100)),
        ("cm^2", "length^2", Fraction(1, 10_000)),
        ("square inches", "length^2", Fraction(127, 5000) ** 2),
        ("km/h", "length^1·time^-1", Fraction(5, 18)),
        ("miles per hour", "length^1·time^-1", Fraction(201168, 125) / 3600),
        ("kg·m^2", "length^2·mass^1", Fraction(1000)),
        ("sq. units", "", Fraction(1)),
        ("%", "", Fraction(1, 100)),
        ("€", "eur^1", Fraction(1)),
    ],
)
def test_unit(text: str, dimension: str, factor: Fraction) -> None:
    assert unit(text) == (dimension, factor)


@pytest.mark.parametrize("text", ["", "ways", "apples", "km//", "5"])
def test_no_unit(text: str) -> None:
    assert unit(text) is None
