"""The wait that a server asks for: in headers, in fields of the body, in words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_UNITS: Final = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_AMOUNT = r"\d{1,15}(?:\.\d{1,9})?"
_UNIT = r"ms|milli\w{0,10}|h(?:ou)?r?s?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?|d(?:ays?)?"
_SPAN = re.compile(rf"({_AMOUNT})\s{{0,3}}({_UNIT})(?![a-z])", re.IGNORECASE)
_SPANS = re.compile(rf"(?:{_AMOUNT}\s{{0,3}}(?:{_UNIT})(?![a-z])[\s,and]{{0,6}})+", re.IGNORECASE)
_WORDS = re.compile(
    r"(?:try(?:ing)? again|retry(?:ing)?(?:[- ]after)?|wait|resets?|available again|back off)[^\d.\n]{0,40}",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"\d{1,12}(?:\.\d{1,9})?(?![\w-])")
_EPOCH: Final = 1e9
"""A number above this is a time of day, in seconds or milliseconds since 1970, and no length of time."""


def asked_wait(headers: Mapping[str, str], fields: Mapping[str, object], words: str) -> float:
    """Return the seconds that a refusal asks to wait; 0.0 where it asks nothing.

    Args:
        headers: Of the answer, names in any case.
        fields: Waits in its body, by name: ``retryDelay``, ``estimated_time``, ``retry_after``.
        words: Its message.
    """
    known = {name.lower(): value for name, value in headers.items()}
    now = _date(known.get("date", "")) or datetime.now(UTC)  # the server's clock, which may be wrong, sets its dates
    hints = [_seconds(f"{known.get('retry-after-ms', '')}ms", now), _seconds(known.get("retry-after", ""), now)]
    hints += [_seconds(str(value) + ("ms" if name.endswith("ms") else ""), now) for name, value in fields.items()]
    return next((hint for hint in (*hints, wait_in_words(words), _limits(known, now)) if hint), 0.0)


def wait_in_words(text: str) -> float:
    """Return the seconds of "try again in 1m20.5s", "retry after 20 seconds" and their like; else 0.0."""
    for match in _WORDS.finditer(text):
        if spans := _SPANS.match(text, match.end()):
            return _length(spans[0])
        if plain := _PLAIN.match(text, match.end()):
            return float(plain[0]) if float(plain[0]) < _EPOCH else 0.0
    return 0.0


def _limits(headers: Mapping[str, str], now: datetime) -> float:
    """Return the seconds until the limits that are used up begin anew."""
    spent: list[float] = []
    others: list[float] = []
    for name, value in headers.items():
        if "ratelimit" not in name or "reset" not in name:
            continue
        left = headers.get(name.replace("reset", "remaining"), "")
        (spent if left.strip() in ("0", "0.0") else others).append(_seconds(value, now))
    return max(spent, default=0.0) or min((wait for wait in others if wait), default=0.0)


def _seconds(text: str, now: datetime) -> float:
    """Read seconds, a length with units, a time of day or a date; 0.0 where it is none."""
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        if spans := _SPANS.fullmatch(text):
            return _length(spans[0])
        date = _date(text)
        return max(0.0, (date - now).total_seconds()) if date else 0.0
    if _EPOCH < number < 1e14:
        number = number / (1000 if number > 1e11 else 1) - now.timestamp()
    return max(0.0, number) if math.isfinite(number) else 0.0


def _length(text: str) -> float:
    total = 0.0
    for number, unit in _SPAN.findall(text):
        unit = unit.lower()
        total += float(number) * (_UNITS["ms"] if unit.startswith(("ms", "milli")) else _UNITS[unit[0]])
    return total


def _date(text: str) -> datetime | None:
    """Read an HTTP date or one of ISO 8601."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            date = read(text.strip())
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, IndexError, TypeError, OverflowError):
            continue
    return None
