r"""From text to value: the structure of an answer is read here, its formulas by math-verify's parser.

Runs in worker processes: a formula may take for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import gcd
from typing import Any

import sympy  # type: ignore[import-untyped]

from selfagg.scoring import worker_process
from selfagg.scoring.answers.formulas import (
    RELATION,
    expression,
    proportional_key,
    rational,
    region_key,
    relation_key,
    value_of,
)
from selfagg.scoring.answers.normalise import FUNCTIONS, bracketed, is_sane, normalise, split
from selfagg.scoring.answers.values import (
    Unreadable,
    Value,
    composite,
    exact_key,
    matrix,
    named_list,
    number,
    plain_number,
    text_value,
    unordered,
)
from selfagg.scoring.answers.words import DATE, REASON, REMARK, SEPARATOR, mark_words, quantity, value_among_words

_LABEL = re.compile(
    r"(?:\\(?:angle|triangle|measuredangle|text\{[^{}]*\})\s*)*(?:[A-Z]+|[a-z]|\\[a-zA-Z]+|\\(?:overline|bar|vec|hat|widehat|tilde|text)\s*\{[^{}]*\}|"
    r"\|[A-Z]+\|)?(?:\s*_\s*(?:\{[^{}]*\}|\w)|'|\^\s*\{?[*']\}?)*(?:\s*\([^()=]*\))?"
)


def read(answer: str) -> list[Any]:
    """Return kind and readings of an answer; what is no mathematics is text."""
    found = plain_number(answer)
    if found is None:
        try:
            if (DATE.search(answer) and re.search("[0-9]", answer)) or not is_sane(answer):
                raise Unreadable("a date, or nonsense")
            found = value(mark_words(normalise(answer)))
        except (Unreadable, RecursionError, ArithmeticError):
            found = text_value(answer)
    return [found.kind, list(found.readings)]


def value(text: str) -> Value:
    """Return the value of normalised text.

    Raises:
        Unreadable: It has none.
    """
    text = text.strip()
    if (plain := plain_number(text)) is not None:
        return plain
    text = REASON.sub("", REMARK.sub("", text))
    return next(found for reader in _READERS if (found := reader(text)) is not None)


def _approximation(text: str) -> Value | None:
    r"""Return the exact side of ``\frac13 \approx 0.33``; ``x \approx 5`` is 5."""
    left, *right = split(text, r"\\approx")
    if not right:
        return None
    return value(right[-1] if _is_label(left) or not left else left)


def _environment(text: str) -> Value | None:
    match = re.fullmatch(
        r"[\[(]?\s*\\begin\{(cases|array|[pbB]?(?:small)?matrix)\}(?:\{[^{}]*\})?(.*?)\\end\{\1\}\s*[\])]?", text
    )
    if not match or r"\begin" in match[2]:
        return None
    rows = [row.strip() for row in re.split(r"\\\\(?:\[[^\]]*\])?", match[2].replace(r"\hline", "")) if row.strip()]
    cells = [[cell.strip() for cell in row.split("&")] for row in rows]
    if match[1] == "cases" and all("=" in row for row in rows):
        return value(",".join(row.replace("&", "") for row in rows))
    if match[1] == "cases":
        return Value("cases", ("cases " + " ; ".join(sorted(map(_case, cells))),))
    if len(cells) == 1 and len(cells[0]) == 1:
        return value(cells[0][0])
    return matrix([[value(cell) for cell in row] for row in cells])


def _case(row: Sequence[str]) -> str:
    condition = re.sub(r"\\text\{\s*(?:if|for|when|where|otherwise|else)?\s*\}", "", " ".join(row[1:])).strip(" ,")
    return f"{value(row[0].rstrip(', ')).key} if {value(condition).key if condition else ''}"


def _option(text: str) -> Value | None:
    """Return a choice with its letter: "C. 42"."""
    match = re.fullmatch(r"(?:\(([A-J])\)[.:]?|([A-J])[.)])\s+(\S.*)", text)
    if not match:
        return None
    letter, found = match[1] or match[2], value(match[3])
    return Value("option", (f"{letter} {found.key}", f"symbol {letter}", *found.readings))


def _congruence(text: str) -> Value | None:
    match = re.fullmatch(
        r"(.*?)[\s(\\]*\b[pb]?mod(?![a-z])\s*\{?\s*([0-9]+)\s*\}?\)?", re.sub(r"\\text\{(\(?)mod\}", r"\1mod ", text)
    )
    if not match or not match[1]:
        return None
    modulus = int(match[2])
    found = rational(expression(split(match[1].replace(r"\left", ""), r"\\equiv|=")[-1]))
    if found is None or found.denominator != 1 or not modulus:
        raise Unreadable("no residue")
    residue = int(found) % modulus
    if "bmod" in text:
        return number(Fraction(residue))
    readings = (f"{residue} mod {modulus}", exact_key(found), exact_key(Fraction(residue)))
    return Value("congruence", tuple(dict.fromkeys(readings)))


def _numeral(text: str) -> Value | None:
    match = re.fullmatch(r"([0-9A-F]+)\s*_\s*(?:\{\s*([0-9]+)\s*\}|([0-9]))", text)
    return match and Value("numeral", (f"{match[1].lstrip('0') or '0'} base {match[2] or match[3]}",))


def _ratio(text: str) -> Value | None:
    if not re.fullmatch(r"[0-9]+(?:\s*:\s*[0-9]+)+", text):
        return None
    text = text.replace(" ", "")
    parts, written = [int(part) for part in text.split(":")], f"text {text}"
    if not all(parts):
        return Value("text", (written,))
    if len(parts) == 2:
        exact = number(Fraction(*parts))
        return Value("time", (written, *exact.readings)) if re.fullmatch("[0-9]{1,2}:[0-9]{2}", text) else exact
    return Value("ratio", ("ratio " + ":".join(str(part // gcd(*parts)) for part in parts), written))


def _brackets(text: str) -> Value | None:
    text = re.sub(r"^[A-Z]\s*(?=\(.*[,;].*\)$)", "", text)  # a point with its name
    inside = bracketed(text)
    if inside is None:
        return Value("set", ("set ",)) if re.sub(r"\s", "", text) in (r"\emptyset", r"\{\}") else None
    elements = [variant for part in split(inside, "[,;]") if part for variant in _signs(part)]
    if text.startswith("\\"):
        if re.search(r"\||:", inside):
            return _range(split(inside, r"\||:")[1])
        members = [value(part) for part in elements]
        found = composite("set", members, "set ", ordered=False)
        return Value(found.kind, found.readings + members[0].readings) if len(members) == 1 else found
    if len(elements) == 1:
        return value(elements[0])
    if text[0] == "[" and len(elements) > 1 and all(part.startswith("[") for part in elements):
        return matrix([[value(cell) for cell in split(bracketed(row) or "", ",")] for row in elements])
    if len(elements) == 2 and text[0] + text[-1] != "()":
        return Value("range", (region_key(text),))
    point = composite("tuple", [value(part) for part in elements])
    try:
        interval = (region_key(f"({','.join(elements)})"),) if len(elements) == 2 else ()
    except Unreadable:
        interval = ()
    return Value(point.kind, point.readings + interval)


def _list(text: str) -> Value | None:
    parts = [part for part in split(text, SEPARATOR) if part]
    if len(parts) < 2:
        return None
    if any(RELATION.search(part) and "=" not in part.replace("!=", "") for part in parts):
        return _range(text)
    parts = [variant for part in parts for variant in _signs(part)]
    sides = [split(part, "=") for part in parts]
    if all(re.match(r".*[0-9]\s*\\text\{[^{}]*\}$", part) for part in parts):
        return unordered([_counted(part) for part in parts])
    if all(len(side) == 2 and _is_label(side[0]) for side in sides):
        return named_list([side[0] for side in sides], [value(side[1]) for side in sides])
    if len(sides[0]) == 2 and all(len(side) == 1 for side in sides[1:]):
        parts[0] = sides[0][1]
    found = unordered([value(part) for part in parts])
    decimal_comma = plain_number(text.replace(",", ".")) if re.fullmatch(r"-?[0-9]+,[0-9]+", text) else None
    return Value(found.kind, found.readings + (decimal_comma.readings if decimal_comma else ()))


def _counted(part: str) -> Value:
    """Return an element with its word: "3 red, 2 blue" is not "2 red, 3 blue"."""
    found, (amount, word) = value(part), part.split(r"\text", 1)
    if found.kind == "quantity":
        return found
    return Value("counted", (f"{value(amount).key} {word.strip('{} ')}", *found.readings))


def _signs(text: str) -> list[str]:
    r"""Return the two readings of ``\pm``; several of them in one formula change together."""
    name, *rest = split(text, "=")
    if rest:
        return [f"{name}={variant}" for variant in _signs(rest[-1])]
    if not re.search(r"\\[pm][mp](?![a-z])", text):
        return [text]
    return [re.sub(r"\\pm(?![a-z])", one, re.sub(r"\\mp(?![a-z])", two, text)) for one, two in (("+", "-"), ("-", "+"))]


def _range(text: str) -> Value | None:
    if not (RELATION.search(text) or re.search(r"\\(?:cup|cap|setminus|mathbb|backslash)(?![a-z])", text)):
        return None
    member = split(text, r"\\in(?![a-z])")
    if len(member) == 2:
        return value(member[1])
    try:
        return Value("range", (region_key(text),))
    except Unreadable:
        return Value("range", (relation_key(text),))


def _equation(text: str) -> Value | None:
    sides = split(text, "=")
    if len(sides) < 2:
        return None
    left, right = sides[0], sides[-1]
    of = re.fullmatch(r"[a-zA-Z](?:_\{?\w\}?|')*\s*\(\s*([a-z])\s*\)", left)
    if of and re.search(rf"(?<![a-zA-Z\\]){of[1]}(?![a-zA-Z])", right):  # f(x) = x + 1 states a function
        return value(right)
    if (names := bracketed(left)) and "," in left and (elements := bracketed(right)):
        return named_list(split(names, ","), [value(part) for part in split(elements, ",")])
    if _is_label(left):
        name, known = re.sub(r"[\s{}]", "", left), value(right)
        exact = (_equation_key(left, right) if re.fullmatch(r"[a-zA-Z]", left) else None) or f"{name} = {known.key}"
        return Value("named", (exact, *known.readings))
    key = _equation_key(left, right)
    if key is None or len(sides) > 2:
        return value(right)
    is_value = (
        not re.search(r"[a-zA-Z]", re.sub(r"\\[a-z]+", "", right))
        and not re.search(r"(?<!\\)[xyz](?![a-z])|\\(?:sum|int)", left)
        and right != "0"
    )
    return Value("equation", (key, *(value(right).readings if is_value else ())))


def _equation_key(left: str, right: str) -> str | None:
    try:
        one, other = expression(left), expression(right)
        if not one.free_symbols | other.free_symbols:
            return None
        return f"equation {proportional_key(sympy.together(one - other).as_numer_denom()[0])}"
    except (Unreadable, TypeError, AttributeError):
        return None


def _is_label(text: str) -> bool:
    text = text.strip()
    is_name = text and _LABEL.fullmatch(text) and not re.search(rf"\\(?:{FUNCTIONS}|pi|frac|sqrt)(?![a-z])", text)
    return bool(is_name)


def _plus_minus(text: str) -> Value | None:
    variants = _signs(text)
    return unordered([value(variant) for variant in variants]) if len(variants) > 1 else None


def _formula(text: str) -> Value:
    found = expression(text)
    if isinstance(found, sympy.MatrixBase):
        return matrix([[value_of(cell) for cell in row] for row in found.tolist()])
    return value_of(found)


_READERS: tuple[Callable[[str], Value | None], ...] = (
    lambda text: Value("text", ("text ...",)) if text == r"\ldots" else None,
    _approximation,
    _environment,
    _option,
    _congruence,
    _numeral,
    _ratio,
    _brackets,
    _list,
    _range,
    _equation,
    _plus_minus,
    lambda text: quantity(text, value),
    lambda text: value_among_words(text, value) if r"\text" in text else None,
    _formula,
)

worker_process.guard_libraries()
