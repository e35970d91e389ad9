from __future__ import annotations

import pytest

from selfagg.scoring.choice import ChoiceScorer
from selfagg.scoring.reply import score_reply, stated_answer
from selfagg.types import Question, Reply, Stop


@pytest.mark.parametrize(
    ("gold", "text", "answer", "score"),
    [
        ("B", r"\boxed{B}", "B", 1.0),
        ("B", r"\boxed{\text{(b)}}", "B", 1.0),
        ("(B)", r"\boxed{B: 400 cal}", "B", 1.0),
        ("b", r"\boxed{B}", "B", 1.0),
        ("B", r"first \boxed{B}, then \boxed{C}", "C", 0.0),
        ("B", "B", "B", 1.0),
        ("B", "I do not know", None, 0.0),
        ("A", r"\boxed{A, B}", None, 0.0),
        (None, r"\boxed{B}", "B", None),
    ],
)
async def test_score(gold: str | None, text: str, answer: str | None, score: float | None) -> None:
    verdict = await ChoiceScorer().score(Question("q", "?", kind="choice", gold=gold), text)
    assert (verdict.answer, verdict.score) == (answer, score)


async def test_a_cut_reply_states_no_letter_in_words() -> None:
    question = Question("q", "Which?\nA. Bananas\nB. Figs", kind="choice", gold="B")
    cut = Stop.LENGTH
    assert [stated_answer(question, Reply(text)) for text in ("The answer is B", r"\boxed{figs}")] == ["B", "B"]
    assert stated_answer(question, Reply("The answer is B", stop=cut)) is None
    assert stated_answer(question, Reply(r"So \boxed{B}. Let me check", stop=cut)) == "B"
    assert (await score_reply(question, Reply("The answer is B", stop=cut))).score == 0.0


async def test_same() -> None:
    assert await ChoiceScorer().same(Question("q", "?", kind="choice"), ["A", "B", "A", "C", "B"]) == [0, 1, 0, 3, 1]
