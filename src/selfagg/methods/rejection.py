"""N samples that the model judges itself: rejection sampling by its verdicts, best of N by its grades."""

from __future__ import annotations

import re
from asyncio import gather
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from selfagg.methods.majority import Single
from selfagg.prompts import Prompt, grading, verification
from selfagg.types import Member, Question

if TYPE_CHECKING:
    from selfagg.run.question_run import QuestionRun


def judged_true(verdict: str) -> bool:
    """Return True if the first True or False of a verdict is True; a verdict with neither accepts nothing."""
    word = re.search(r"\b(true|false)\b", verdict, re.IGNORECASE)
    return word is not None and word[0].lower() == "true"


def grade(text: str) -> float:
    """Return the first number of a judge's reply, from 0 to 10; -1 if there is none."""
    number = re.search(r"\d{1,3}(?:\.\d{1,6})?", text)
    return min(float(number[0]), 10.0) if number else -1.0


@dataclass(frozen=True)
class Rejection(Single):
    """N samples and N verdicts; the answer is one of those judged True, or of all if none is (as in the paper)."""

    name = "rejection"
    uniform = False
    judgements = 1
    judge: ClassVar[tuple[str, Callable[[Question, Member], Prompt], Callable[[str], float]]] = (
        "verdict",
        verification,
        judged_true,
    )
    n: int = 16

    async def weigh(self, run: QuestionRun, population: Sequence[Member]) -> list[float]:
        role, asking, read = self.judge
        asked = (run.sample(m.t, m.i, asking(run.question, m), role=role) for m in population)
        judged = [read(reply.text) for reply in await gather(*asked)]
        best = [value == max(judged) for value in judged]
        return [is_best / sum(best) for is_best in best]


@dataclass(frozen=True)
class BestOfN(Rejection):
    """N samples and N grades from 0 to 10; among equal best grades, one at random."""

    name = "best-of-n"
    judge = ("grade", grading, grade)
