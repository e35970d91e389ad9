"""The part of a candidate that an aggregation prompt shows."""

from __future__ import annotations

import re
from collections.abc import Callable

from selfagg.errors import UsageError
from selfagg.types import Member

CandidateFormat = Callable[[Member], str]

VIEWS = "response, reasoning, answer, tail:TOKENS"
CHARACTERS_PER_TOKEN = 4
"""Rough length of a token of English text, for ``tail:TOKENS``; the fit to the context counts real tokens."""

CUT = "[... cut ...] "


def candidate_format_named(name: str) -> CandidateFormat:
    """Return the view of a candidate with this name.

    ``response`` (the default) shows the whole response; a reasoning section that the model separates stays out.
    ``reasoning`` shows that section too. ``answer`` shows the final answer only. ``tail:TOKENS`` shows the last
    tokens of the response (Markovian RSA, arXiv 2605.05365).

    Raises:
        UsageError: There is no such view.
    """
    if name == "response":
        return _response
    if name == "reasoning":
        return _with_reasoning
    if name == "answer":
        return lambda member: member.answer if member.answer is not None else "(no final answer)"
    if tail := re.fullmatch(r"tail:([1-9]\d{0,8})", name):
        length = int(tail[1]) * CHARACTERS_PER_TOKEN
        return lambda member: shorten(_response(member), length)
    raise UsageError(f"there is no candidate view {name!r}; there are {VIEWS}")


def shorten(text: str, length: int) -> str:
    """Return the last ``length`` characters of a text, the cut marked; the answer stands at the end."""
    return text if len(text) <= length else CUT + text[len(text) - length :]


def _response(member: Member) -> str:
    # A reply that was cut while it was still reasoning has nothing but its reasoning to show.
    return _written(member.text or _reasoning(member))


def _with_reasoning(member: Member) -> str:
    return _written(f"{_reasoning(member).strip()}\n\n{member.text.strip()}")


def _reasoning(member: Member) -> str:
    return member.reply.reasoning if member.reply else ""


def _written(text: str) -> str:
    return text.strip() or "(empty)"
