"""The use of selfagg from other tools, one file each over the public API: Inspect AI, llm, LiteLLM, MCP.

What needs nothing but a base URL needs no file here: see docs/clients.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfagg.errors import UsageError
from selfagg.types import Kind, Question

NAME = "question"
"""The id of a question without one, as `selfagg.solve` has it: equal seeds give equal subsets."""


def conversation(messages: Sequence[Mapping[str, Any]], kind: Kind = "text") -> Question:
    """Return the question that a conversation ends with; its own words say how to answer.

    Args:
        messages: Chat messages as the OpenAI API has them; the last one is the user's.
        kind: The kind of the answer, where answers are to be compared.

    Raises:
        UsageError: The last message is not a user's, or not plain text.
    """
    last = messages[-1] if messages else {}
    if last.get("role") != "user" or not isinstance(last.get("content"), str):
        raise UsageError("a deliberation needs a conversation that ends with a user's message of plain text")
    instruction = "" if kind == "text" else None
    return Question(NAME, last["content"], kind=kind, instruction=instruction, context=tuple(messages[:-1]))
