"""Check what a caller gives, each with one clear sentence, and suggest a name for one that does not exist."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Iterable, Mapping, Sequence

from selfagg.errors import UsageError
from selfagg.types import Sampling

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


def check_words(chosen: Mapping[str, tuple[object, Sequence[str]]]) -> None:
    """Raise UsageError if a value is none of the words that its setting knows."""
    for name, (value, known) in chosen.items():
        if value not in known:
            raise UsageError(f"{name} is {value!r}, but it must be one of {', '.join(known)}")


def check_whole(**numbers: int | None) -> None:
    """Raise UsageError if a value is neither None nor a whole number."""
    for name, value in numbers.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise UsageError(f"{name} is {value!r}, but it must be a whole number")


def check_amounts(**amounts: int | None) -> None:
    """Raise UsageError if a value is neither None nor a whole number from 1."""
    check_whole(**amounts)
    for name, value in amounts.items():
        if value is not None and value < 1:
            raise UsageError(f"{name} is {value}, but it must be at least 1")


def check_times(sampling: Sampling, **seconds: float | None) -> None:
    """Raise UsageError if a number of the sampling, or a number of seconds, is impossible."""
    check_amounts(max_tokens=sampling.max_tokens)
    if sampling.temperature is None:
        raise UsageError("temperature is None, but it must be a number")
    if "" in sampling.stop:
        raise UsageError("stop: an empty text would end every reply before it begins")
    check_seconds(**seconds, temperature=sampling.temperature)
    check_numbers(1.0, top_p=sampling.top_p)


def check_seconds(**seconds: float | None) -> None:
    """Raise UsageError if a value is neither None nor a finite number from 0."""
    check_numbers(math.inf, **seconds)


def check_numbers(most: float, **numbers: float | None) -> None:
    """Raise UsageError if a value is neither None nor a finite number from 0 to ``most``."""
    for name, number in numbers.items():
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise UsageError(f"{name} is {number!r}, but it must be a number")
        if not (0 <= number <= most and math.isfinite(number)):
            raise UsageError(f"{name} is {number}, but it must be {'a number from 0' if most > 1 else 'from 0 to 1'}")


def check_model(model: object, **access: object) -> None:
    """Raise UsageError if the model is neither a name nor a connection, or if a connection comes with an address."""
    from selfagg.models.base import Model

    if isinstance(model, str):
        return
    if not isinstance(model, Model):
        kind = "None" if model is None else f"of type {type(model).__name__}"
        raise UsageError(f"the model must be a name, as 'local' or 'openai:NAME', or an open connection; it is {kind}")
    if given := [name for name, value in access.items() if value is not None]:
        raise UsageError(f"{' and '.join(given)} goes with a model's name; an open connection has its own")


def check_type(kind: type, **values: object) -> None:
    """Raise UsageError if a value is neither None nor an instance of ``kind``."""
    for name, value in values.items():
        if value is not None and not isinstance(value, kind):
            raise UsageError(f"{name} is {value!r}, but it must be a selfagg.{kind.__name__}")


def check_paths(**paths: object) -> None:
    """Raise UsageError if a value is neither None nor a path."""
    for name, value in paths.items():
        if not isinstance(value, str | os.PathLike | None):
            raise UsageError(f"{name} is {value!r}, but it must be the path of a file")


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Return ``KEY=VALUE`` texts as a dictionary; raise UsageError for another text, or a key that is given twice."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} {text!r}: it must read KEY=VALUE")
        if key in found:
            raise UsageError(f"{option}: {key} is given twice")
        found[key] = value
    return found
