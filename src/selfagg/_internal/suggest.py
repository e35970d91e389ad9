"""Suggestions that a message adds after a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LISTED = 20
"""More names than these are counted rather than listed."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the names close to a name; else all of them, or how many there are."""
    names = list(known)
    if guess := did_you_mean(name, names):
        return guess
    return f"there are {', '.join(names)}" if len(names) <= _LISTED else f"there are {len(names)} of them"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the names close to a name as a question; ``""`` if none is."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else ""
