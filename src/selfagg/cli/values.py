"""Readers of options that hold more than plain numbers and text."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from selfagg.errors import UsageError

if TYPE_CHECKING:
    from selfagg.scoring.base import Scorer


def json_object(option: str, text: str) -> Mapping[str, Any]:
    """Return a JSON object; raise UsageError if the text is none."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise UsageError(f"{option}, column {error.pos + 1}: not valid JSON ({error.msg})") from None
    except RecursionError:
        raise UsageError(f"{option}: the JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise UsageError(f"{option} must be a JSON object such as '{{\"top_k\": 20}}'")
    return value


def request_fields(option: str, text: str) -> Mapping[str, Any]:
    """Return a JSON object of fields for a request's body; raise UsageError for one that selfagg writes itself."""
    fields = json_object(option, text)
    for name in ("messages", "model", "n", "stream"):
        if name in fields:
            raise UsageError(f"{option}: {name} is not yours to set, it differs from call to call or is selfagg's own")
    return fields


def _no_number(word: str) -> float:
    raise UsageError(f"{word} is no JSON number")


def size(option: str, text: str) -> int | Literal["all"]:
    """Return a number of questions, or ``all``."""
    if text == "all":
        return "all"
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise UsageError(f"{option} {text!r}: it must be a whole number or all")
    return int(text)


def utf8(name: str, given: str | bytes) -> str:
    """Return text in UTF-8, whatever encoding the system is set to."""
    content = given if isinstance(given, bytes) else os.fsencode(given)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text (byte {error.start + 1})") from None


def numbers(option: str, text: str) -> list[int]:
    """Return whole numbers from 1, with commas between them."""
    found = [word.strip() for word in text.split(",")]
    for word in found:
        if not word.isascii() or not word.isdigit() or int(word) < 1:
            raise UsageError(f"{option} {text!r}: it must be whole numbers from 1 with commas between them, as 4,8,16")
    return [int(word) for word in found]


def at_least_1(option: str, number: int) -> int:
    """Return a number; raise UsageError if it is below 1."""
    if number < 1:
        raise UsageError(f"{option} is {number}, but it must be at least 1")
    return number


def scorer(option: str, name: str) -> Scorer | None:
    """Return the scorer that a package registers under a name."""
    from selfagg.scoring.given import scorer_given

    return scorer_given(name)
