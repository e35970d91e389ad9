"""Numbers with units: degrees, percentages, prices, lengths."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import sympy  # type: ignore[import-untyped]

from selfagg.scoring.answers.latex import expression
from selfagg.scoring.answers.numbers import value_of
from selfagg.scoring.answers.plain import plain_number
from selfagg.scoring.answers.units import unit
from selfagg.scoring.answers.values import Value, exact_key

_TAIL = re.compile(
    r"(?P<value>.*?[0-9A-Za-z)}|!\s])\s*(?P<unit>(?:\s*(?:\\text\{[^{}]*\}(?:\s*\^\s*\{?-?[0-9]\}?)?|[/·]|\\cdot|"
    r"\\frac\s*\{\s*\\text\{[^{}]*\}\s*\}\s*\{\s*\\text\{[^{}]*\}(?:\^\{?[0-9]\}?)?\s*\}))+)"
)
_LETTER_UNIT = re.compile(
    r"(?P<value>[-+]?[0-9][0-9.,/]*|.*\})(?:\s+(?P<unit>[msgNJWVAKLh]|m\s*/\s*s)|\s*(?P<power>m\s*\^\s*\{?[23]\}?))"
)
_MARK = re.compile(
    r"(?P<value>.*[^\s\\'])\s*(?P<unit>\^\\circ|\\?%|\\text\{\s*(?:percent|percentage|pct|%)\s*\}|''|\"|'|\\Omega)"
)
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*\\text\{\s*([a-z]+)\s*\}")
_CURRENCY = re.compile(r"\\text\{(?P<unit>[^{}]*)\}\s*(?P<value>[-+]?[0-9.,]+)")


def quantity(text: str, value: Callable[[str], Value]) -> Value | None:
    """Return a number with its unit, or None where the text ends in no unit; ``value`` reads the number."""
    if re.search(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)", text):
        return None
    if len(amounts := _AMOUNT.findall(text)) > 1 and not _AMOUNT.sub("", text).strip():
        return _sum_of_amounts([(Fraction(count), unit(name)) for count, name in amounts])
    for pattern in (_MARK, _CURRENCY, _TAIL, _LETTER_UNIT):
        if (match := pattern.fullmatch(text)) and (found := _measured(pattern, match, value)):
            return found
    return None


def _sum_of_amounts(amounts: Sequence[tuple[Fraction, tuple[str, Fraction] | None]]) -> Value | None:
    """Return a sum of amounts, as in three hours and thirty minutes."""
    dimensions = {known[0] for _, known in amounts if known}
    if len(dimensions) != 1 or not all(known for _, known in amounts):
        return None
    total = sum((count * known[1] for count, known in amounts if known), Fraction(0))
    return Value("quantity", (f"{exact_key(total)} {dimensions.pop()}",))


def _measured(pattern: re.Pattern[str], match: re.Match[str], value: Callable[[str], Value]) -> Value | None:
    written, spelled = match["value"].strip(), match["unit"] or (match["power"] if pattern is _LETTER_UNIT else "")
    marks = {"''": "in", '"': "in", "'": "ft", r"\Omega": "ohm"}
    spelled = re.sub(r"\\frac\s*\{(.*)\}\s*\{(.*)\}", r"\1/\2", spelled)
    spelled = (
        re.sub(r"\\text\{([^{}]*)\}", r" \1 ", spelled)
        .replace(r"\cdot", "·")
        .replace("pct", "percent")
        .replace("percentage", "percent")
    )
    if re.fullmatch(r"\s*(?:\^\\circ|deg(?:ree)?s?\.?)\s*", spelled):
        dimension, factor = "angle^1", sympy.pi / 180
    elif known := unit(marks.get(spelled.strip(), spelled).replace("\\", "")):
        dimension, factor = known[0], sympy.Rational(known[1].numerator, known[1].denominator)
    else:
        return None
    if re.search(r"[,;=<>]|\\(?:pm|cup|text|le|ge)", written) and plain_number(written) is None:
        return None
    bare = value(written)
    base = value_of(_exact(written) * factor)
    if (dimension == "" and factor == 1) or not bare.kind.startswith(("number", "rounded", "formula")):
        return bare
    also = base.readings if dimension in ("", "angle^1", "usd^1") else ()
    literal = (
        value_of(expression(f"{written} {spelled}")).readings if pattern is _LETTER_UNIT and "/" not in spelled else ()
    )
    return Value("quantity", tuple(dict.fromkeys((f"{base.key} {dimension}", *also, *bare.readings, *literal))))


def _exact(text: str) -> Any:
    plain = plain_number(text)
    if plain is None:
        return expression(text)
    top, _, bottom = plain.key.partition("/")
    return sympy.Rational(int(top, 16), int(bottom or "1", 16))
