"""Sets of real numbers: intervals, inequalities, their unions, as sympy holds them, and their canonical keys."""

from __future__ import annotations

import re
from typing import Any

import sympy  # type: ignore[import-untyped]

from selfagg.scoring.answers.latex import expression
from selfagg.scoring.answers.numbers import Unreadable, key_of, proportional_key
from selfagg.scoring.answers.structure import bracketed, split

RELATION = re.compile(r"<|>|\\(?:le|ge|ne|in|notin)(?![a-z])")

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


def region(text: str) -> Any:
    """Return the set of real numbers that a text describes.

    Raises:
        Unreadable: It describes none: several unknowns, no numbers.
    """
    text = text.strip()
    if (known := _SETS.get(re.sub(r"\s", "", text))) is not None:
        return known
    for separator, operation in _OPERATIONS:
        if len(parts := split(text, separator)) > 1:
            return operation(*(region(part) for part in parts))
    if len(parts := split(text, r"\\setminus(?![a-z])|\\backslash(?![a-z])")) == 2:
        return sympy.Complement(region(parts[0]), region(parts[1]))
    if (inside := bracketed(text)) is not None:
        return _bracketed(text, inside)
    if len(parts := split(text, r"\\in(?![a-z])")) == 2:
        return region(parts[1])
    return sympy.Intersection(*(_inequality(*pair) for pair in _pairs(text)))


def key(found: Any) -> str:
    """Return the canonical key of a set of real numbers."""
    if found in (sympy.S.Reals, sympy.Interval(-sympy.oo, sympy.oo)):
        return "range R"
    if isinstance(found, sympy.Union):
        return "range " + " or ".join(sorted(key(part) for part in found.args))
    if isinstance(found, sympy.FiniteSet):
        return "set " + " ; ".join(sorted(key_of(point) for point in found))
    if isinstance(found, sympy.Interval):
        left, right = "(" if found.left_open else "[", ")" if found.right_open else "]"
        return f"range {left}{key_of(found.start)} , {key_of(found.end)}{right}"
    if found is sympy.S.EmptySet:
        return "set "
    if isinstance(found, sympy.Set):
        return f"range {found}"
    raise Unreadable("no set")


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


def _bracketed(text: str, inside: str) -> Any:
    parts = split(inside, "[,;]")
    if text.startswith("\\"):
        return sympy.FiniteSet(*(_end(part) for part in parts if part))
    if len(parts) != 2:
        return region(inside)
    start, end = (_end(part) for part in parts)
    if start.is_comparable and end.is_comparable and not start < end and not (start == end and text[0] == "["):
        raise Unreadable("an interval that ends before it begins")
    return sympy.Interval(start, end, text[0] == "(", text[-1] == ")")


def _end(text: str) -> Any:
    return expression(text).doit()


def _pairs(text: str) -> list[tuple[str, str, str]]:
    sides = split(text, r"<|>|\\(?:le|ge|ne)(?![a-z])|=")
    relations = re.findall(r"<|>|\\(?:le|ge|ne)(?![a-z])|=", text)
    if len(sides) < 2 or len(relations) != len(sides) - 1:
        raise Unreadable("no relation")
    return list(zip(sides[:-1], relations, sides[1:], strict=True))


def _inequality(left: str, relation: str, right: str) -> Any:
    difference = (expression(left) - expression(right)).doit()
    unknowns = difference.free_symbols
    if len(unknowns) != 1 or difference.atoms(sympy.core.function.AppliedUndef):
        raise Unreadable("not one unknown")
    (unknown,) = unknowns
    polynomial = difference.as_poly(unknown)
    if (polynomial is None and not difference.has(sympy.Abs)) or (polynomial is not None and polynomial.degree() > 4):
        raise Unreadable("too hard")
    if polynomial is None or polynomial.degree() > 1:
        return {"<": sympy.Lt, ">": sympy.Gt, r"\le": sympy.Le, r"\ge": sympy.Ge, r"\ne": sympy.Ne, "=": sympy.Eq}[
            relation
        ](difference, 0).as_set()
    slope, offset = polynomial.all_coeffs()
    root, rising = (-offset / slope).doit(), bool(slope > 0)
    if relation == "=":
        return sympy.FiniteSet(root)
    if relation == r"\ne":
        return sympy.Union(sympy.Interval.open(-sympy.oo, root), sympy.Interval.open(root, sympy.oo))
    below = (relation in ("<", r"\le")) == rising
    is_open = relation in ("<", ">")
    return sympy.Interval(-sympy.oo, root, True, is_open) if below else sympy.Interval(root, sympy.oo, is_open, True)
