"""Best of N with the model as its own judge: each sample gets a grade, the best one is the answer."""

from __future__ import annotations

import re
from asyncio import gather
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfagg.methods.rejection import Rejection
from selfagg.prompts import grading
from selfagg.types import Member

if TYPE_CHECKING:
    from selfagg.run.question_run import QuestionRun


@dataclass(frozen=True)
class BestOfN(Rejection):
    """N samples and N grades from 0 to 10; among equal best grades, one at random."""

    name = "best-of-n"

    async def weigh(self, run: QuestionRun, population: Sequence[Member]) -> list[float]:
        question = run.question
        grades = await gather(*(run.sample(m.t, m.i, grading(question, m), role="grade") for m in population))
        values = [grade(given.text) for given in grades]
        best = [value == max(values) for value in values]
        return [is_best / sum(best) for is_best in best]


def grade(text: str) -> float:
    """Return the first number of a judge's reply, from 0 to 10; -1 if there is none."""
    number = re.search(r"\d{1,3}(?:\.\d{1,6})?", text)
    return min(float(number[0]), 10.0) if number else -1.0
