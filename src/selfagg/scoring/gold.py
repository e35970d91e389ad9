"""The gold answer as a response would state it: what `selfagg validate` scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from selfagg.types import Question

_EXAMPLES = ("example_correct_answer", "example_answer", "possible_answer")
"""Where Reasoning Gym's puzzles with many right answers (cube, logic, graph colouring) keep one of them."""


def stated(question: Question) -> str | None:
    r"""The gold answer in the form that its kind asks for: ``\boxed{}``, ``<answer>`` tags, a code block.

    Returns:
        The response, or None where no right answer is known: two Reasoning Gym puzzles (boxnet, rush_hour) come
        without one.
    """
    gold = question.gold
    if question.kind == "reasoning_gym":
        gold = gold or _from_entry(question.data.get("entry") or {})
    if not gold:
        return None
    match question.kind:
        case "math" | "choice":
            return rf"\boxed{{{gold}}}"
        case "code":
            return f"```python\n{gold}\n```"
        case _:
            return f"<answer>{gold}</answer>"


def _from_entry(entry: Mapping[str, Any]) -> str | None:
    metadata = entry.get("metadata") or {}
    known = [entry.get("answer"), *(metadata.get(name) for name in _EXAMPLES)]
    answer = next((answer for answer in known if answer), None)
    return answer if answer is None or isinstance(answer, str) else json.dumps(answer)
