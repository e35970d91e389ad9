"""Exact text: the last ``<answer>``, or the whole response where it has no such tags.

A question of several parts names them in ``data["parts"]``: the answer to a part is the last word of the last line that
begins with its name, and the gold answer reads ``A 7-3-1, B 2+2``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from selfagg.scoring.base import Verdict, first_equal
from selfagg.scoring.extract import last_answer_tag, unwrapped
from selfagg.types import Question


class TextScorer:
    """A scorer of text by equality, whatever its case, white space and Unicode form (NFKC)."""

    def answer(self, question: Question, text: str) -> str | None:
        if parts := question.data.get("parts"):
            lines = [words for line in text.splitlines() if len(words := line.split()) > 1]
            last = {words[0].rstrip(":"): words[-1] for words in lines}
            return ", ".join(f"{part} {last[part]}" for part in parts if part in last) or None
        return last_answer_tag(text) or text.strip() or None

    async def score(self, question: Question, text: str) -> Verdict:
        answer = self.answer(question, text)
        if question.gold is None:
            return Verdict(answer)
        return Verdict(answer, float(answer is not None and text_key(answer) == text_key(question.gold)))

    async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
        return first_equal([text_key(answer) for answer in answers])


def text_key(text: str) -> str:
    """Return a key that is equal for texts that count as the same."""
    return " ".join(unicodedata.normalize("NFKC", unwrapped(text)).casefold().split())
