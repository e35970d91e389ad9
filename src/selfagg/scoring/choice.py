r"""Multiple choice: the option's letter that a response states."""

from __future__ import annotations

from collections.abc import Sequence

from selfagg.scoring.base import Verdict
from selfagg.scoring.letters import choice_letter, options, stated_letter
from selfagg.types import Question


class ChoiceScorer:
    """A scorer of option letters."""

    def answer(self, question: Question, text: str) -> str | None:
        """Return the letter in upper case; None where the response states none or several."""
        return choice_letter(text, options(question))

    async def score(self, question: Question, text: str) -> Verdict:
        """Return 1.0 for the gold letter, else 0.0."""
        answer = self.answer(question, text)
        if question.gold is None:
            return Verdict(answer)
        gold = stated_letter(question.gold, options(question)) or question.gold
        return Verdict(answer, float(answer == gold))

    async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
        """Group by letter."""
        return [answers.index(answer) for answer in answers]
