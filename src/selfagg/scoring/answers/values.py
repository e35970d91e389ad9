"""The typed value of an answer, the one rule by which values are compared, and plain numbers and texts.

Cheap to import, without sympy: most answers are plain numbers, and need no worker process.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_LONGEST = 4_000  # digits that int() reads
_WRAPPED = re.compile(
    r"\\(?:text|textbf|textrm|textit|mathrm|mathbf|boldsymbol|bm)\s*\{([^{}]*)\}|\{([^{}]*)\}|\$([^$]*)\$|\\\((.*)\\\)"
)
_SPACE = re.compile(r"\\[,;:! ]|\\(?:quad|qquad|displaystyle)(?![a-zA-Z])|~")
_NUMBER = re.compile(r"([+-]?) ?([0-9]+)(?:\.([0-9]*))?|([+-]?) ?\.([0-9]+)")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:(?:,|\{,\})[0-9]{3})+(?:\.[0-9]+)?|[+-]?[1-9][0-9]{0,2}(?: [0-9]{3})+")
_FRACTION = re.compile(
    r"([+-]?) ?(?:([0-9]+) ?/ ?([0-9]+)|\\[dtc]?frac ?\{ ?([0-9]+) ?\} ?\{ ?([0-9]+) ?\}|\\[dtc]?frac ?([1-9])([1-9]))"
)
_MARKUP = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|mathrm|mathbf|mbox|left|right|[,;:! ]|q?quad)(?![a-z])|[{}$*`\"~]"
)


class Unreadable(ValueError):
    """The text has no value that can be compared."""


@dataclass(frozen=True, slots=True, order=True)
class Value:
    """An answer, understood.

    Attributes:
        kind: ``number``, ``rounded`` (a decimal of six places or more), ``named`` (``x = 5``), ``range`` (an interval,
            an inequality), ``list`` (no brackets, no order), ``numeral`` (with its base), ``text``, ``quantity``, ...
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
        joined, group = value.readings, by_key.get((value.kind, value.key))
        if group is None:
            found = ((key, kinds) for key in value.readings for kinds in by_reading.get(key, {}).items())
            key, group = next(((key, other) for key, (kind, other) in found if kind != value.kind), ("", len(home)))
            joined = (key,) if key else joined
        home[value] = by_key[value.kind, value.key] = group
        for reading in joined:
            by_reading.setdefault(reading, {}).setdefault(value.kind, group)
    first: dict[int, int] = {}
    return [first.setdefault(home[value], position) for position, value in enumerate(values)]


def number(value: Fraction, places: int = 0) -> Value:
    """Return an exact number; one written as a decimal with so many places may be a rounding."""
    exact, digits = exact_key(value), len(str(abs(value.numerator))) if places >= 6 else 0
    if places < 6 or digits < 6:
        terminates = pow(10, value.denominator.bit_length(), value.denominator) == 0
        return Value("number", (exact,) if terminates else (exact, rounded_key(value)))
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


def composite(kind: str, elements: Sequence[Value], prefix: str = "tuple ", *, ordered: bool = True) -> Value:
    """Return the value of several: by their exact keys, and by their last readings where these are others."""
    others = sorted({element.kind for element in elements} - {"number"})
    readings = []
    for position in (0, -1):
        keys = [element.readings[position] for element in elements]
        readings.append(prefix + " ; ".join(keys if ordered else sorted(set(keys))))
    return Value(f"{kind}[{','.join(others)}]" if others else kind, tuple(dict.fromkeys(readings)))


def unordered(elements: Sequence[Value]) -> Value:
    """Return a list without brackets: it may be meant as a set and as a tuple."""
    as_set = composite("list", elements, "set ", ordered=False)
    return Value(as_set.kind, as_set.readings + composite("tuple", elements).readings)


def named_list(names: Sequence[str], elements: Sequence[Value]) -> Value:
    """Return values with their names, which stand in the order of the alphabet where others leave them out."""
    if len(set(names)) < len(names):
        return unordered(elements)
    pairs = sorted(zip(names, elements, strict=True), key=lambda pair: re.sub(r"[\s{}]", "", pair[0]))
    written = "names " + " ; ".join(f"{re.sub(r'[ {}]', '', name)} = {element.key}" for name, element in pairs)
    in_order, as_set = composite("", [element for _, element in pairs]), composite("", elements, "set ", ordered=False)
    return Value("names", (written, *in_order.readings, *as_set.readings))


def matrix(rows: Sequence[Sequence[Value]]) -> Value:
    """Return a matrix; one of one row or one column is also a tuple."""
    if len({len(row) for row in rows}) != 1:
        raise Unreadable("its rows have different lengths")
    height, width = len(rows), len(rows[0])
    flat = [cell for row in rows for cell in row]
    found = composite("matrix", flat, f"{height}x{width} ")
    return Value(found.kind, found.readings + (composite("", flat).readings if 1 in (height, width) else ()))


def plain_number(answer: str) -> Value | None:
    """Return the value of an integer, a decimal or a fraction of integers, or None for everything else."""
    if len(answer) > _LONGEST:
        return None
    text = unwrapped(answer)
    if _THOUSANDS.fullmatch(text):
        text = re.sub(r"[ ,{}]", "", text)
    if match := _NUMBER.fullmatch(text):
        whole, places = (match[2] or "0"), (match[3] or match[5] or "")
        sign = -1 if "-" in (match[1] or match[4] or "") else 1
        return number(sign * Fraction(int(whole + places), 10 ** len(places)), len(places))
    if match := _FRACTION.fullmatch(text):
        top, bottom = (int(group) for group in match.groups()[1:] if group)
        return number(Fraction(-top if match[1] == "-" else top, bottom)) if bottom else None
    return None


def unwrapped(answer: str) -> str:
    r"""Return an answer without full stop, dollars, fonts and spacing around it."""
    text = " ".join(_SPACE.sub(lambda match: "" if match[0] == r"\!" else " ", answer).split())
    for _ in range(10):
        if text.endswith(".") and not text.endswith(".."):
            text = text[:-1].rstrip()
        elif match := _WRAPPED.fullmatch(text):
            text = next(group for group in match.groups() if group is not None).strip()
        else:
            break
    return text


def text_value(answer: str) -> Value:
    """Return an answer that is no mathematics: text, whatever its case, spacing, fonts and full stop."""
    text = unicodedata.normalize("NFKC", answer)
    text = _MARKUP.sub(" ", text).casefold()
    text = re.sub(r"\b([ap])\.?\s?m\b\.?", r"\1m", text)
    text = re.sub(r"\s*([^\w\s])\s*", r"\1", " ".join(text.split())).strip(" .")
    return Value("text", (f"text {text or answer}",))
