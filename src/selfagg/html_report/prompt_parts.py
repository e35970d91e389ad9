"""A member's prompt, made again from the question and its parents, and taken apart for a reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selfagg.models.base import fingerprint
from selfagg.prompts import aggregation, first
from selfagg.prompts.prompt import CandidateFormat
from selfagg.types import Member, Question

_HEADING = 40
_MARK = "\ue000{}\ue001"  # private-use characters, which no question holds


def candidate_texts(view: CandidateFormat, parents: Sequence[Member]) -> list[str]:
    """Return the part of each parent that the prompt shows; parents without a reply are left out."""
    return [view(parent) for parent in parents if parent.reply]


def template(question: Question, shown: int) -> list[dict[str, Any]]:
    """Return the parts of a prompt that shows so many candidates.

    Returns:
        Parts in their order: ``{"role", "kind", "text"}`` with kind ``context``, ``words`` or ``question``, and
        ``{"role", "kind": "candidate", "place", "lead"}`` with the candidate's place among those shown, from
        0, and the line that stands above it.
    """
    marks = [_MARK.format(place) for place in range(shown)]
    *context, turn = (aggregation(question, _placeholders(shown)) if shown else first(question)).messages(marks)
    parts: list[dict[str, Any]] = [
        {"role": str(said.get("role", "")), "kind": "context", "text": _content(said)} for said in context
    ]
    rest = _content(turn)
    before, found, after = rest.partition(question.text) if question.text else (rest, "", "")
    parts += _words(before)
    if found:
        parts.append({"role": "user", "kind": "question", "text": found})
    for place, mark in enumerate(marks):
        words, _, after = after.partition(mark)
        words, lead = _lead(words)
        parts += _words(words)
        parts.append({"role": "user", "kind": "candidate", "place": place, "lead": lead})
    return parts + _words(after)


def sent_as(question: Question, texts: Sequence[str]) -> str:
    """Return the fingerprint of the prompt with these candidates, to be held against the recorded one."""
    prompt = aggregation(question, _placeholders(len(texts))) if texts else first(question)
    return fingerprint(prompt.messages(texts))


def _placeholders(count: int) -> list[Member]:
    return [Member(1, i) for i in range(count)]


def _lead(words: str) -> tuple[str, str]:
    """Return the words before a candidate without their last line, if that is short enough to be a heading."""
    before, _, last = words.rstrip().rpartition("\n")
    return (before, last) if len(last) <= _HEADING else (words, "")


def _words(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "kind": "words", "text": text.strip()}] if text.strip() else []


def _content(message: Any) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", f"[{part.get('type', 'part')}]")) for part in content)
