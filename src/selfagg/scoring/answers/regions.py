"""The parts of an answer between brackets and separators; intervals and inequalities as sets of real numbers."""

from __future__ import annotations

import re
from typing import Any

import sympy  # type: ignore[import-untyped]

from selfagg.scoring.answers.numbers import expression, key_of, proportional_key
from selfagg.scoring.answers.values import Unreadable

RELATION = re.compile(r"<|>|\\(?:le|ge|ne|in|notin)(?![a-z])")

_DEEPEST = 40
_BRACKET = re.compile(r"\\[{}]|\\begin\{|\\end\{\w+\}|[(\[{)\]}]")
_SIGN = re.compile(r"<|>|\\(?:le|ge|ne)(?![a-z])|=")
_SETS = {
    r"\mathbb{R}": sympy.S.Reals,
    r"\emptyset": sympy.S.EmptySet,
    r"\{\}": sympy.S.EmptySet,
    r"\mathbb{Z}": sympy.S.Integers,
    r"\mathbb{N}": sympy.S.Naturals,
    r"\mathbb{Q}": sympy.S.Rationals,
}
_OPERATIONS = (
    (r"\\cup(?![a-z])|\\text\{\s*or\s*\}|\\lor(?![a-z])", sympy.Union),
    (r"\\cap(?![a-z])|\\text\{\s*and\s*\}|,|\\land(?![a-z])", sympy.Intersection),
)
_RELATIONS = {"<": sympy.Lt, ">": sympy.Gt, r"\le": sympy.Le, r"\ge": sympy.Ge, r"\ne": sympy.Ne, "=": sympy.Eq}


def _levels(text: str) -> list[tuple[int, int, int]]:
    """Return start and end of each bracket, and the depth after it."""
    depth, found = 0, []
    for match in _BRACKET.finditer(text):
        depth += 1 if match[0][-1] in "([{" and not match[0].startswith(r"\end") else -1
        if match[0].startswith(r"\begin"):
            depth += 1  # its own brace closes next
        found.append((match.start(), match.end(), depth))
    return found


def is_sane(text: str) -> bool:
    """Return True if brackets nest no deeper than in any honest answer; readers take very long over others."""
    return all(abs(depth) <= _DEEPEST for _, _, depth in _levels(text))


def split(text: str, separator: str) -> list[str]:
    """Return the parts of a text between separators (a pattern) that stand in no bracket, stripped."""
    brackets = _levels(text)
    parts, start = [], 0
    for match in re.finditer(separator, text):
        depth = next((level for _, end, level in reversed(brackets) if end <= match.start()), 0)
        inside = any(begin < match.end() and match.start() < end for begin, end, _ in brackets if end - begin > 1)
        if depth == 0 and not inside and match.start() >= start:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    return [*parts, text[start:].strip()]


def bracketed(text: str) -> str | None:
    """Return the content of the brackets around the whole text, of whichever kind, or None."""
    brackets = _levels(text)
    if len(brackets) < 2 or brackets[0][0] != 0 or brackets[-1][1] != len(text):
        return None
    if not text.startswith(("(", "[", r"\{")):
        return None
    if brackets[-1][2] != 0 or any(depth <= 0 for _, _, depth in brackets[:-1]):
        return None
    return text[brackets[0][1] : brackets[-1][0]].strip()


def region_key(text: str) -> str:
    """Return the canonical key of the set of real numbers that a text describes.

    Raises:
        Unreadable: It describes none: several unknowns, no numbers.
    """
    return _key(_region(text))


def relation_key(text: str) -> str:
    """Return the key of inequalities that describe no set of numbers: between several unknowns."""
    found = []
    for left, relation, right in _pairs(text):
        one, other = expression(left), expression(right)
        if relation in (">", r"\ge"):
            one, other, relation = other, one, {">": "<", r"\ge": r"\le"}[relation]
        try:
            found.append(f"{relation} {proportional_key(one - other, positive=relation != chr(92) + 'ne')}")
        except Unreadable:
            found.append(f"{key_of(one)} {relation} {key_of(other)}")
    return "relation " + " ; ".join(sorted(found))


def _region(text: str) -> Any:
    text = text.strip()
    if (known := _SETS.get(re.sub(r"\s", "", text))) is not None:
        return known
    for separator, operation in _OPERATIONS:
        if len(parts := split(text, separator)) > 1:
            return operation(*map(_region, parts))
    if len(parts := split(text, r"\\setminus(?![a-z])|\\backslash(?![a-z])")) == 2:
        return sympy.Complement(*map(_region, parts))
    if (inside := bracketed(text)) is not None:
        parts = split(inside, "[,;]")
        if text.startswith("\\"):
            return sympy.FiniteSet(*(expression(part).doit() for part in parts if part))
        return _interval(text, parts) if len(parts) == 2 else _region(inside)
    if len(parts := split(text, r"\\in(?![a-z])")) == 2:
        return _region(parts[1])
    return sympy.Intersection(*(_inequality(*pair) for pair in _pairs(text)))


def _key(found: Any) -> str:
    if found in (sympy.S.Reals, sympy.Interval(-sympy.oo, sympy.oo)):
        return "range R"
    if isinstance(found, sympy.Union):
        return "range " + " or ".join(sorted(map(_key, found.args)))
    if isinstance(found, sympy.FiniteSet):
        return "set " + " ; ".join(sorted(map(key_of, found)))
    if isinstance(found, sympy.Interval):
        left, right = "(" if found.left_open else "[", ")" if found.right_open else "]"
        return f"range {left}{key_of(found.start)} , {key_of(found.end)}{right}"
    if found is sympy.S.EmptySet:
        return "set "
    if isinstance(found, sympy.Set):
        return f"range {found}"
    raise Unreadable("no set")


def _interval(text: str, ends: list[str]) -> Any:
    start, end = (expression(part).doit() for part in ends)
    if start.is_comparable and end.is_comparable and not start < end and not (start == end and text[0] == "["):
        raise Unreadable("an interval that ends before it begins")
    return sympy.Interval(start, end, text[0] == "(", text[-1] == ")")


def _pairs(text: str) -> list[tuple[str, str, str]]:
    sides, relations = split(text, _SIGN.pattern), _SIGN.findall(text)
    if len(sides) < 2 or len(relations) != len(sides) - 1:
        raise Unreadable("no relation")
    return list(zip(sides[:-1], relations, sides[1:], strict=True))


def _inequality(left: str, relation: str, right: str) -> Any:
    difference = (expression(left) - expression(right)).doit()
    unknowns = difference.free_symbols
    if len(unknowns) != 1 or difference.atoms(sympy.core.function.AppliedUndef):
        raise Unreadable("not one unknown")
    polynomial = difference.as_poly(*unknowns)
    if not difference.has(sympy.Abs) if polynomial is None else polynomial.degree() > 4:
        raise Unreadable("too hard")
    if polynomial is None or polynomial.degree() > 1:
        return _RELATIONS[relation](difference, 0).as_set()
    slope, offset = polynomial.all_coeffs()
    root, rising = (-offset / slope).doit(), bool(slope > 0)
    if relation == "=":
        return sympy.FiniteSet(root)
    if relation == r"\ne":
        return sympy.Union(sympy.Interval.open(-sympy.oo, root), sympy.Interval.open(root, sympy.oo))
    below = (relation in ("<", r"\le")) == rising
    is_open = relation in ("<", ">")
    return sympy.Interval(-sympy.oo, root, True, is_open) if below else sympy.Interval(root, sympy.oo, is_open, True)
