"""The gold answer as responses would state it, in its own spelling and in another: what `selfagg validate` scores."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from selfagg.scoring.extract import last_box
from selfagg.types import Question

_EXAMPLES = ("example_correct_answer", "example_answer", "possible_answer")
"""The places where Reasoning Gym's puzzles with many right answers (cube, logic, graph colouring) keep one."""


def stated(question: Question) -> str | None:
    r"""Return the gold answer in the form that its kind asks for: ``\boxed{}``, ``<answer>`` tags, a code block.

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


def respelled(question: Question) -> str | None:
    """Return a response that states the gold answer as a model might: other fonts, spacing and words around it.

    Returns:
        The response, or None if no right answer is known or its kind has one spelling only (programs, puzzles).
    """
    gold = question.gold
    if not gold or question.kind in ("code", "reasoning_gym"):
        return None
    if question.kind == "text":
        return f"I think so.\n<answer>\n{gold.swapcase() if gold.isascii() else gold} </answer>\nThat is all."
    if question.kind == "choice":
        return rf"So the right option is \boxed{{\text{{({(last_box(gold) or gold).strip('() .')})}}}}."
    return rf"So the final answer is $\boxed{{{_in_other_tex(math_gold(gold))}}}$."


def math_gold(gold: str) -> str:
    r"""Return the answer within a gold answer: the last ``\boxed{}``, what follows ``####`` (GSM8K), else all of it."""
    marked = re.search(r"^\s*####\s*(\S.*)$", gold, re.MULTILINE)
    return last_box(gold) or (marked[1].strip() if marked else gold)


def _in_other_tex(gold: str) -> str:
    text = gold.strip().strip("$ ")
    if re.fullmatch(r"-?[0-9]+", text):
        return rf"\mathbf{{{text}.0}}"
    if not re.search(r"[0-9\\=+^]", text):
        return rf"\textbf{{{text.swapcase() if len(text) > 1 else text}}}"
    text = re.sub(r"\\[td]?frac(?![a-zA-Z])", r"\\dfrac", text)
    return r"\displaystyle " + re.sub(r",(?! *[0-9]{3}(?![0-9]))", r",\\;", text) + r"\,"


def _from_entry(entry: Mapping[str, Any]) -> str | None:
    metadata = entry.get("metadata") or {}
    known = [entry.get("answer"), *(metadata.get(name) for name in _EXAMPLES)]
    answer = next((answer for answer in known if answer), None)
    return answer if answer is None or isinstance(answer, str) else json.dumps(answer)
