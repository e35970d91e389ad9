"""The interface of scoring: reading the final answer off a response, judging it, and comparing it with another."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from selfagg.types import Kind, Question

_SCORERS: dict[Kind, str] = {
    "math": "selfagg.scoring.math:MathScorer",
    "choice": "selfagg.scoring.choice:ChoiceScorer",
    "reasoning_gym": "selfagg.scoring.reasoning_gym:ReasoningGymScorer",
    "code": "selfagg.scoring.code:CodeScorer",
    "text": "selfagg.scoring.text:TextScorer",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer a response gives and what it is worth.

    Attributes:
        answer: The final answer, or None if the response gives none.
        score: 1.0 right, 0.0 wrong, between them partial credit; None where the question has no gold answer, or where
            the check failed.
        note: Reason for a missing score (a time limit, a checker that failed), else ``""``.
    """

    answer: str | None
    score: float | None = None
    note: str = ""


class Scorer(Protocol):
    """The scoring of one kind of question; a file of this package each. Safe to call from many tasks at once."""

    def answer(self, question: Question, text: str) -> str | None:
        """Return the final answer that a response states, or None. Cheap; must never raise."""
        ...

    async def score(self, question: Question, text: str) -> Verdict:
        """Score one response. Must never raise for what a model wrote."""
        ...

    async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
        """Group equal answers: for each, the position of the first answer equal to it."""
        ...


@functools.cache
def scorer_for(kind: Kind) -> Scorer:
    """Return the scorer of a kind of question: one for the whole process, its module loaded when first asked for."""
    module, _, name = _SCORERS[kind].partition(":")
    return cast(Scorer, getattr(importlib.import_module(module), name)())


def first_equal(keys: Sequence[str]) -> list[int]:
    """Return, for each key, the position of the first equal one."""
    first: dict[str, int] = {}
    return [first.setdefault(key, position) for position, key in enumerate(keys)]
