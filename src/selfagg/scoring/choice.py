r"""Multiple choice: the option's letter in the last ``\boxed{}``."""

from __future__ import annotations

from collections.abc import Sequence

from selfagg.scoring.base import Verdict
from selfagg.scoring.extract import choice_letter
from selfagg.types import Question


class ChoiceScorer:
    """Scores option letters."""

    def answer(self, question: Question, text: str) -> str | None:
        """The letter in upper case; None where the last box names none or several."""
        return choice_letter(text)

    async def score(self, question: Question, text: str) -> Verdict:
        """1.0 for the gold letter, else 0.0."""
        answer = self.answer(question, text)
        if question.gold is None:
            return Verdict(answer)
        gold = choice_letter(rf"\boxed{{{question.gold}}}") or question.gold
        return Verdict(answer, float(answer == gold))

    async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
        """Groups by letter."""
        return [answers.index(answer) for answer in answers]
