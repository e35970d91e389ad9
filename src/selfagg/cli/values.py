"""Reads what options hold beyond plain numbers and text."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from selfagg.errors import UsageError


def finite(option: str, value: float) -> float:
    """A number that is neither infinite nor NaN, both of which a command line can spell."""
    if not math.isfinite(value):
        raise UsageError(f"{option}: {value} is no number to work with")
    return value


def json_object(option: str, text: str | None) -> Mapping[str, Any]:
    """A JSON object; ``{}`` for None."""
    if text is None:
        return {}
    try:
        value = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise UsageError(f"{option}, column {error.pos + 1}: not valid JSON ({error.msg})") from None
    except RecursionError:
        raise UsageError(f"{option}: the JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise UsageError(f"{option} must be a JSON object such as '{{\"top_k\": 20}}'")
    return value


def request_fields(option: str, text: str | None) -> Mapping[str, Any]:
    """A JSON object of further fields for a request's body, none of which selfagg writes for every call itself."""
    fields = json_object(option, text)
    for name in ("messages", "model", "n", "stream"):
        if name in fields:
            raise UsageError(f"{option}: {name} is not yours to set, it differs from call to call or is selfagg's own")
    return fields


def _no_number(word: str) -> float:
    raise UsageError(f"{word} is no JSON number")


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """``KEY=VALUE`` texts as a dictionary."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} {text!r}: it must read KEY=VALUE")
        if key in found:
            raise UsageError(f"{option}: {key} is given twice")
        found[key] = value
    return found


def size(text: str | None) -> int | Literal["all"] | None:
    """A number of questions, ``all``, or None."""
    if text is None or text == "all":
        return text  # type: ignore[return-value]
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise UsageError(f"--size {text!r}: it must be a whole number or all")
    return int(text)


def utf8(name: str, given: str | bytes) -> str:
    """Text in UTF-8, whatever encoding the system is set to."""
    content = given if isinstance(given, bytes) else os.fsencode(given)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text (byte {error.start + 1})") from None


def numbers(option: str, text: str) -> list[int]:
    """Whole numbers from 1, with commas between them."""
    found = [word.strip() for word in text.split(",")]
    for word in found:
        if not word.isascii() or not word.isdigit() or int(word) < 1:
            raise UsageError(f"{option} {text!r}: it must be whole numbers from 1 with commas between them, as 4,8,16")
    return [int(word) for word in found]
