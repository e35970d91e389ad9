"""Score a benchmark's own gold answers: all must be right, or the loader or the scoring is wrong."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from selfagg.errors import UsageError
from selfagg.types import Question, Reply


class Failure(NamedTuple):
    """A gold answer that was not scored as right, and the response that stated it."""

    question: Question
    response: str
    score: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of a validation."""

    right: int  # gold answers that were scored 1.0, in their own spelling and in another
    failures: tuple[Failure, ...]  # those that were not
    unstated: tuple[Question, ...]  # without a known right answer: nothing was checked about them
    worded: tuple[Question, ...] = ()  # mathematical, with words as gold answer: no other words will score
    tests: tuple[int, ...] = ()  # of each programming problem that comes without a solution

    @property
    def valid(self) -> bool:
        """Return True if something was checked, and nothing failed."""
        return not self.failures and bool(self.right or self.tests)

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg validate --json`` prints, but for ``source``."""
        return {
            "valid": self.valid,
            "right": self.right,
            "failures": [
                {"question": one.question.id, "score": one.score, "note": one.note, "response": one.response}
                for one in self.failures
            ],
            "unstated": len(self.unstated),
            "worded": [question.id for question in self.worded],
            "problems_with_tests": len(self.tests),
            "tests": sum(self.tests),
        }


async def validate(questions: Sequence[Question]) -> Validation:
    """Score two responses to each question: one states its gold answer as it is, one in another spelling."""
    from selfagg.scoring import gold_response
    from selfagg.scoring.code_tests import Cases, read_tests

    responses = [gold_response(question) for question in questions]
    known = [one for one, response in zip(questions, responses, strict=True) if response is not None]
    unstated = [one for one, response in zip(questions, responses, strict=True) if response is None]
    checked = await asyncio.gather(*map(_checked, known))
    failures = [failure for failure, _ in checked if failure]
    right, tests = len(known) - len(failures), []
    for question in unstated:
        if question.kind == "code":
            try:
                found = read_tests(question.data)
            except UsageError as error:
                failures.append(Failure(question, "", None, str(error)))
            else:
                tests.append(len(found.cases) if isinstance(found, Cases) else 1)
    worded = tuple(question for question, (_, words) in zip(known, checked, strict=True) if words)
    return Validation(right, tuple(failures), tuple(unstated), worded, tuple(tests))


async def _checked(question: Question) -> tuple[Failure | None, bool]:
    """Return what fails, and True if the gold answer is read as words."""
    from selfagg.scoring import gold_response
    from selfagg.scoring.gold import math_gold, respelled
    from selfagg.scoring.math import MathScorer
    from selfagg.scoring.reply import score_reply

    worded = False
    if question.kind == "math" and question.gold:
        found = await MathScorer().value(math_gold(question.gold))
        worded = isinstance(found, str) or found.kind.startswith(("text", "list[text"))
    for response in filter(None, (gold_response(question), respelled(question))):
        verdict = await score_reply(question, Reply(response))
        if verdict.score is None or verdict.score < 1.0:
            return Failure(question, response, verdict.score, verdict.note), worded
    if worded and not _is_words(math_gold(question.gold or "")):
        note = "its gold answer is read neither as mathematics nor as words: only the same text would be right"
        return Failure(question, question.gold or "", None, note), worded
    return None, worded


def _is_words(gold: str) -> bool:
    """Return True if a gold answer is a few words that a model may be expected to write."""
    plain = re.sub(r"\\(?:text|mathrm|textbf|mbox)(?![a-z])|[{}$]", " ", gold)
    return len(plain.split()) <= 8 and not re.search(r"[\\=^_]|^#", plain)
