"""The comparison of outputs: LiveCodeBench's rules (lcb_runner's testing_util), written anew.

- Standard output: both texts are stripped and split into lines; there must be equally many; each line, stripped,
  must be equal as text, or else be equal as a list of decimal numbers (``1.0`` is ``1``, ``1e3`` is ``1000``;
  there is no tolerance).
- Returned value: equal as Python compares values; an outermost tuple counts as a list.

What a program wrote is compared piece by piece, never built up: it may be made to be slow or large.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from selfagg.errors import UsageError

_PLAIN_DIGITS = 4_000
"""Digits of the longest integer that Python reads whatever its limit is."""

_MOST_LONGER = 10
"""The ratio by which an equal value can be longer than expected JSON: ``\u00e9`` for a letter, ``1.0`` for ``1``."""


def read_json(text: str) -> Any:
    """Return the value of a test's JSON, integers of any length among it; raises ValueError or RecursionError."""
    return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int:
    # LiveCodeBench raises Python's limit; here that would change it for the whole process, which is not ours alone.
    return int(digits) if len(digits) <= _PLAIN_DIGITS else int(Decimal(digits))


def same_output(written: str, expected: str) -> bool:
    """Return True if standard output is the expected one."""
    written, expected = written.strip(), expected.strip()
    if written.count("\n") != expected.count("\n"):
        return False
    lines = zip(written.split("\n"), expected.split("\n"), strict=True)
    return all(_same_line(line.strip(), wanted.strip()) for line, wanted in lines)


def _same_line(line: str, wanted: str) -> bool:
    if line == wanted:
        return True
    words = wanted.split()
    try:
        numbers = [Decimal(word) for word in words]
        # Not split() alone: a program may write far more words than anyone wants to hold.
        return [Decimal(word) for word in line.split(maxsplit=len(words))] == numbers
    except ArithmeticError:
        return False


def same_value(written: str, expected: str) -> bool:
    """Return True if a returned value, in the encoding of `selfagg.sandbox.guest.values`, is the expected JSON.

    Raises:
        UsageError: The expected text is not JSON.
    """
    try:
        wanted = read_json(expected)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"an expected value is not JSON ({error})") from error
    if len(written) > _MOST_LONGER * len(expected) + 1_000:
        return False
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        return False
    if isinstance(found, dict) and isinstance(found.get("tuple"), list):
        found = found["tuple"]
    return _equal(found, wanted)


def _equal(found: Any, wanted: Any) -> bool:
    """Return True if an encoded value stands for the wanted one; build nothing from what a program wrote."""
    if isinstance(wanted, list):
        same_length = isinstance(found, list) and len(found) == len(wanted)
        return same_length and all(map(_equal, found, wanted))
    if isinstance(wanted, dict):
        pairs = found.get("dict") if isinstance(found, dict) else None
        try:
            values = {key: value for key, value in pairs or () if isinstance(key, str)}
        except (TypeError, ValueError):
            return False
        same_keys = pairs is not None and len(pairs) == len(values) and values.keys() == wanted.keys()
        return same_keys and all(_equal(values[key], wanted[key]) for key in wanted)
    if isinstance(found, dict) and isinstance(found.get("int"), str) and isinstance(wanted, int):
        return bool(found["int"] == hex(wanted))
    return bool(found == wanted) and not isinstance(found, dict | list)
