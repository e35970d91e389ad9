"""Rejection sampling by self-verification: the model judges each of its samples, True or False."""

from __future__ import annotations

import re
from asyncio import gather
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfagg.methods.single import Single
from selfagg.prompts import verification
from selfagg.types import Member

if TYPE_CHECKING:
    from selfagg.run.question_run import QuestionRun


@dataclass(frozen=True)
class Rejection(Single):
    """N samples and N verdicts; the answer is one of those judged True, or of all if none is (as in the paper)."""

    name = "rejection"
    uniform = False
    judgements = 1
    n: int = 16

    async def weigh(self, run: QuestionRun, population: Sequence[Member]) -> list[float]:
        question = run.question
        verdicts = await gather(*(run.sample(m.t, m.i, verification(question, m), role="verdict") for m in population))
        accepted = [judged_true(verdict.text) for verdict in verdicts]
        if not any(accepted):
            accepted = [True] * len(population)
        return [yes / sum(accepted) for yes in accepted]


def judged_true(verdict: str) -> bool:
    """Return True if the first True or False of a verdict is True; a verdict with neither accepts nothing."""
    word = re.search(r"\b(true|false)\b", verdict, re.IGNORECASE)
    return word is not None and word[0].lower() == "true"
