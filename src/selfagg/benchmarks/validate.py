"""Scores a benchmark's own gold answers: all must be right, or the loader or the scoring is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from selfagg.types import Question


@dataclass(frozen=True, slots=True)
class Failure:
    """A gold answer that was not scored as right.

    Attributes:
        question: Its question.
        response: The response that stated it.
        score: What it was worth, or None.
        note: What the scoring had to say.
    """

    question: Question
    response: str
    score: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Validation:
    """What validating found.

    Attributes:
        right: How many gold answers were scored 1.0.
        failures: Those that were not.
        unstated: Questions without a known right answer: nothing was checked about them.
    """

    right: int
    failures: tuple[Failure, ...]
    unstated: tuple[Question, ...]


async def validate(questions: Sequence[Question]) -> Validation:
    """Scores a response to each question that states its gold answer."""
    from selfagg.scoring import stated

    responses = [(question, stated(question)) for question in questions]
    known = [(question, response) for question, response in responses if response is not None]
    failures = await asyncio.gather(*(_failure(question, response) for question, response in known))
    found = tuple(failure for failure in failures if failure is not None)
    unstated = tuple(question for question, response in responses if response is None)
    return Validation(right=len(known) - len(found), failures=found, unstated=unstated)


async def _failure(question: Question, response: str) -> Failure | None:
    from selfagg.scoring import scorer_for

    verdict = await scorer_for(question.kind).score(question, response)
    if verdict.score is not None and verdict.score >= 1.0:
        return None
    return Failure(question, response, verdict.score, verdict.note)
