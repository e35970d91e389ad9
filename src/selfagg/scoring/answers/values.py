"""The typed value of an answer, and the one rule by which values are compared: by a score and by a vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, order=True)
class Value:
    """An answer, understood.

    Attributes:
        kind: ``number``, ``rounded`` (a decimal of six places or more), ``formula``, ``quantity`` (a number with its
            unit), ``named`` (``x = 5``), ``equation``, ``range`` (an interval, an inequality), ``set``, ``list``
            (no brackets, no order), ``tuple``, ``matrix``, ``congruence``, ``numeral`` (with its base), ``text``.
            Of several elements that are no plain numbers, with their kinds: ``list[quantity]``.
        readings: Canonical keys, the exact one first. ``50%`` reads as the number 1/2 and also as 50.
    """

    kind: str
    readings: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return the exact reading."""
        return self.readings[0]


def same(one: Value, other: Value) -> bool:
    """Return True if two answers are equal.

    Values of one kind say equally much and must agree exactly: 5 cm is not 5 kg. Of values of two kinds one says
    less than the other, and any common reading will do: 5 cm is 5, and so is 5 kg.
    """
    if one.kind == other.kind:
        return one.key == other.key
    return not set(one.readings).isdisjoint(other.readings)


def first_equal(values: Sequence[Value]) -> list[int]:
    """Return for each value the position of the first value in its group.

    Groups do not depend on the order of the values. `same` is no equivalence (50% equals 50 and 0.5), so values
    settle one after the other, those with fewest readings first; one that can join several groups joins by its
    first reading that fits. Of two values alone, `same` decides.
    """
    home: dict[Value, int] = {}
    by_key: dict[tuple[str, str], int] = {}
    by_reading: dict[str, dict[str, int]] = {}
    for value in sorted(set(values), key=lambda value: (len(value.readings), value)):
        group = by_key.get((value.kind, value.key))
        joined = value.readings
        if group is None:
            reading, group = _related(value, by_reading)
            joined = (reading,) if reading else value.readings
        home[value] = group = len(home) if group is None else group
        by_key.setdefault((value.kind, value.key), group)
        for reading in joined:
            by_reading.setdefault(reading, {}).setdefault(value.kind, group)
    first: dict[int, int] = {}
    return [first.setdefault(home[value], position) for position, value in enumerate(values)]


def _related(value: Value, by_reading: dict[str, dict[str, int]]) -> tuple[str, int | None]:
    for reading in value.readings:
        for kind, group in by_reading.get(reading, {}).items():
            if kind != value.kind:
                return reading, group
    return "", None


def number(value: Fraction, places: int = 0) -> Value:
    """Return an exact number; one written as a decimal with so many places may be a rounding."""
    exact, digits = exact_key(value), len(str(abs(value.numerator))) if places >= 6 else 0
    if places < 6 or digits < 6:
        return Value("number", (exact,) if _terminates(value) else (exact, rounded_key(value)))
    readings = [rounded_key(value), exact]
    if digits >= 15:  # the noise of binary floating point: 0.30000000000000004
        readings.append(exact_key(Fraction(f"{float(value):.12g}")))
    return Value("rounded", tuple(dict.fromkeys(readings)))


def exact_key(value: Fraction) -> str:
    """Return the key of a rational number; hexadecimal, which has no limit of digits and takes linear time."""
    return f"{value.numerator:x}" if value.denominator == 1 else f"{value.numerator:x}/{value.denominator:x}"


def rounded_key(value: Fraction) -> str:
    """Return the key of a number rounded to six places, or to six significant digits where these are more."""
    zeros, size = max(0, (value.denominator.bit_length() - value.numerator.bit_length()) * 3 // 10 - 2), abs(value)
    while size and size * 10 ** (zeros + 1) < 1:
        zeros += 1
    return f"~{exact_key(round(value, 6 + zeros))}"


def _terminates(value: Fraction) -> bool:
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1
