"""Reasoning Gym's scorers in worker processes: the task's own score, whatever the answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import reasoning_gym  # type: ignore[import-untyped]

from selfagg.errors import UsageError
from selfagg.scoring import reasoning_gym as gym_scoring
from selfagg.scoring import scorer_for, stated
from selfagg.scoring.reasoning_gym import ReasoningGymScorer
from selfagg.types import Question

EVALUATING = [
    "countdown",
    "puzzle24",
    "n_queens",
    "binary_matrix",
    "spiral_matrix",
    "string_insertion",
    "polynomial_multiplication",
    "simple_integration",
    "intermediate_integration",
]


def questions(task: str, size: int = 2) -> list[Question]:
    return [
        Question(
            f"{task}-{i}",
            entry["question"],
            kind="reasoning_gym",
            gold=entry["answer"],
            data={"task": task, "entry": json.loads(json.dumps(entry))},
        )
        for i, entry in enumerate(reasoning_gym.create_dataset(task, size=size, seed=7))
    ]


async def score(question: Question, answer: str) -> float | None:
    return (await ReasoningGymScorer().score(question, f"<answer>{answer}</answer>")).score


@pytest.mark.parametrize(
    "task", [*EVALUATING, "arc_agi", "rearc", "chain_sum", "bitwise_arithmetic", "graph_color", "rubiks_cube"]
)
async def test_gold_is_right(task: str) -> None:
    for question in questions(task):
        text = stated(question)
        assert text is not None
        assert (await scorer_for("reasoning_gym").score(question, text)).score == 1.0


async def test_partial_credit_is_kept() -> None:
    question = questions("n_queens")[0]
    assert question.gold
    rows = [line.split() for line in question.gold.splitlines()]
    assert await score(question, repr(rows)) == 0.5
    assert await score(question, "no idea") == 0.0
    assert await score(questions("countdown")[0], "1") == 0.05
    assert await score(questions("countdown")[0], "I give up") == 0.01


async def test_the_last_answer_counts() -> None:
    question = questions("chain_sum")[0]
    text = f"Candidate 1: <answer>0</answer>. Better: <answer>{question.gold}</answer>"
    verdict = await ReasoningGymScorer().score(question, text)
    assert (verdict.answer, verdict.score) == (question.gold, 1.0)
    verdict = await ReasoningGymScorer().score(question, str(question.gold))
    assert (verdict.answer, verdict.score) == (None, 0.0)


@pytest.mark.parametrize("task", EVALUATING)
async def test_hostile_answers_run_nothing(task: str, tmp_path: Path) -> None:
    target = tmp_path / "pwned"
    call = f"__import__('os').system('touch {target}')"
    question = questions(task, 1)[0]
    for answer in (call, f"[{call}]", f"'{call}'", f"24+{call}", f"x*({call})", f"S({call!r})", f"{call!r}"):
        score_ = await score(question, answer)
        assert score_ is not None
        assert score_ < 0.5
    assert not target.exists()


async def test_a_scorer_that_hangs_or_dies_gives_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gym_scoring, "TIMEOUT_S", 0.5)
    question = questions("countdown")[0]
    verdict = await ReasoningGymScorer().score(question, "<answer>7**(10**9)</answer>")
    assert (verdict.answer, verdict.score) == ("7**(10**9)", 0.0)
    assert "countdown" in verdict.note
    broken = Question("q", "?", kind="reasoning_gym", data={"task": "countdown", "entry": {"answer": "1"}})
    monkeypatch.setattr(gym_scoring, "TIMEOUT_S", 10.0)
    assert (await ReasoningGymScorer().score(broken, "<answer>1</answer>")).score == 0.01
    broken = Question("q", "?", kind="reasoning_gym", data={"task": "number_sequence", "entry": {}})
    verdict = await ReasoningGymScorer().score(broken, "<answer>1</answer>")
    assert verdict.score == 0.0
    assert "KeyError" in verdict.note


async def test_a_puzzle_of_no_task_has_an_answer_but_no_score() -> None:
    verdict = await ReasoningGymScorer().score(Question("q", "?", kind="reasoning_gym"), "<answer>1</answer>")
    assert (verdict.answer, verdict.score) == ("1", None)


@pytest.mark.parametrize("data", [{"entry": {}}, {"task": "countdown"}, {"task": "no_such_task", "entry": {}}])
async def test_a_question_that_cannot_be_scored_is_the_users_matter(data: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="question q7"):
        await ReasoningGymScorer().score(Question("q7", "?", kind="reasoning_gym", data=data), "<answer>1</answer>")


async def test_many_at_once() -> None:
    asked = questions("chain_sum", 40)
    texts = [stated(question) or "" for question in asked]
    verdicts = await asyncio.gather(*(ReasoningGymScorer().score(*pair) for pair in zip(asked, texts, strict=True)))
    assert [verdict.score for verdict in verdicts] == [1.0] * 40


async def test_same_is_by_text_not_by_value() -> None:
    question = questions("countdown")[0]
    assert await ReasoningGymScorer().same(question, ["1 2\n3", "1  2 3", "3+4", "4+3", "0.5", "1/2"]) == [
        0,
        0,
        2,
        3,
        4,
        5,
    ]
