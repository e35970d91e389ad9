"""Gold answers: read as a data set has them, and stated as a response would."""

from __future__ import annotations

import json
import re

from selfagg.scoring.extract import last_box
from selfagg.types import Question

_EXAMPLES = ("example_correct_answer", "example_answer", "possible_answer")
"""The places where Reasoning Gym's puzzles with many right answers (cube, logic, graph colouring) keep one."""


def gold_response(question: Question) -> str | None:
    r"""Return the gold answer in the form that its kind asks for: ``\boxed{}``, ``<answer>`` tags, a code block.

    Returns:
        The response, or None where no right answer is known: two Reasoning Gym puzzles (boxnet, rush_hour) come
        without one.
    """
    gold = question.gold
    if not gold and question.kind == "reasoning_gym":
        entry = question.data.get("entry") or {}
        metadata = entry.get("metadata") or {}
        known = next(filter(None, [entry.get("answer"), *map(metadata.get, _EXAMPLES)]), None)
        gold = known if known is None or isinstance(known, str) else json.dumps(known)
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
    text = math_gold(gold).strip().strip("$ ")
    if re.fullmatch(r"-?[0-9]+", text):
        text = rf"\mathbf{{{text}.0}}"
    elif not re.search(r"[0-9\\=+^]", text):
        text = rf"\textbf{{{text.swapcase() if len(text) > 1 else text}}}"
    else:
        text = re.sub(r"\\[td]?frac(?![a-zA-Z])", r"\\dfrac", text)
        text = r"\displaystyle " + re.sub(r",(?! *[0-9]{3}(?![0-9]))", r",\\;", text) + r"\,"
    return rf"So the final answer is $\boxed{{{text}}}$."


def math_gold(gold: str) -> str:
    r"""Return the answer within a gold answer: the last ``\boxed{}``, what follows ``####`` (GSM8K), else all of it."""
    marked = re.search(r"^\s*####\s*(\S.*)$", gold, re.MULTILINE)
    return last_box(gold) or (marked[1].strip() if marked else gold)
