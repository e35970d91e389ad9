from __future__ import annotations

import pytest

from selfagg.scoring.choice import ChoiceScorer
from selfagg.types import Question


@pytest.mark.parametrize(
    ("gold", "text", "answer", "score"),
    [
        ("B", r"\boxed{B}", "B", 1.0),
        ("B", r"\boxed{\text{(b)}}", "B", 1.0),
        ("(B)", r"\boxed{B: 400 cal}", "B", 1.0),
        ("b", r"\boxed{B}", "B", 1.0),
        ("B", r"first \boxed{B}, then \boxed{C}", "C", 0.0),
        ("B", "B", None, 0.0),
        ("A", r"\boxed{A, B}", None, 0.0),
        (None, r"\boxed{B}", "B", None),
    ],
)
async def test_score(gold: str | None, text: str, answer: str | None, score: float | None) -> None:
    verdict = await ChoiceScorer().score(Question("q", "?", kind="choice", gold=gold), text)
    assert (verdict.answer, verdict.score) == (answer, score)


async def test_same() -> None:
    assert await ChoiceScorer().same(Question("q", "?", kind="choice"), ["A", "B", "A", "C", "B"]) == [0, 1, 0, 3, 1]
