"""A conversation as a question: the last user turn, with all that stands before and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfagg.server.errors import refused
from selfagg.types import Kind, Question

NAME = "question"
"""The id of every request's question, as `selfagg.solve` has it: the same seed gives the same sets there and here."""


def question_of(messages: Sequence[Mapping[str, Any]], kind: Kind) -> Question:
    """Return the question that a conversation ends with.

    Raises:
        APIError: There is no user turn.
    """
    places = [place for place, message in enumerate(messages) if message["role"] == "user"]
    if not places:
        raise refused("messages: a deliberation needs a user turn; send rsa: false for a plain call", "messages")
    last = places[-1]
    turn = messages[last]
    return Question(
        NAME,
        _text(turn.get("content")),
        kind=kind,
        context=tuple(messages[:last]),
        turn=turn if set(turn) - {"role", "content"} or not isinstance(turn.get("content"), str) else None,
        after=tuple(messages[last + 1 :]),
    )


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "\n\n".join(text for text in texts if isinstance(text, str))
