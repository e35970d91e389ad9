"""Values made of several values: tuples, lists, sets, matrices."""

from __future__ import annotations

import re
from collections.abc import Sequence

from selfagg.scoring.answers.numbers import Unreadable
from selfagg.scoring.answers.values import Value


def unordered(elements: Sequence[Value]) -> Value:
    """Return a list without brackets: it may be meant as a set and as a tuple."""
    as_set, as_tuple = composite("list", elements, ("set ",), ordered=False), composite("tuple", elements)
    return Value(as_set.kind, as_set.readings + as_tuple.readings)


def named_list(names: Sequence[str], elements: Sequence[Value]) -> Value:
    """Return values with their names, which stand in the order of the alphabet where others leave them out."""
    plain = unordered(elements)
    if len(set(names)) < len(names):
        return plain
    pairs = sorted(zip(names, elements, strict=True), key=lambda pair: re.sub(r"[\s{}]", "", pair[0]))
    written = "names " + " ; ".join(f"{re.sub(r'[ {}]', '', name)} = {element.key}" for name, element in pairs)
    ordered = composite("tuple", [element for _, element in pairs])
    return Value("names", (written, *ordered.readings, *composite("list", elements, ("set ",), ordered=False).readings))


def composite(
    kind: str, elements: Sequence[Value], prefix: tuple[str, ...] = ("tuple ",), *, ordered: bool = True
) -> Value:
    """Return the value of several: by their exact keys, and by their last readings where these are others."""
    others = sorted({element.kind for element in elements} - {"number"})
    readings = []
    for position in (0, -1):
        keys = [element.readings[position] for element in elements]
        readings.append(prefix[0] + " ; ".join(keys if ordered else sorted(set(keys))))
    return Value(f"{kind}[{','.join(others)}]" if others else kind, tuple(dict.fromkeys(readings)))


def matrix(rows: Sequence[Sequence[Value]]) -> Value:
    """Return a matrix; one of one row or one column is also a tuple."""
    if len({len(row) for row in rows}) != 1:
        raise Unreadable("its rows have different lengths")
    flat = [cell for row in rows for cell in row]
    found = composite("matrix", flat, (f"{len(rows)}x{len(rows[0])} ",))
    vector = composite("tuple", flat).readings if 1 in (len(rows), len(rows[0])) else ()
    return Value(found.kind, found.readings + vector)
