"""Reasoning Gym's scorers in worker processes: the task's own score, whatever the answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import reasoning_gym  # type: ignore[import-untyped]

from selfagg.errors import UsageError
from selfagg.scoring import gold_response, scorer_for
from selfagg.scoring import reasoning_gym as gym_scoring
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
        text = gold_response(question)
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


@pytest.mark.parametrize(
    ("integrand", "answer"),
    [
        ("x**2*cos(3*x)", "x**2*sin(3*x)/3 + 2*x*cos(3*x)/9 - 2*sin(3*x)/27 + C"),
        ("x**2*cos(3*x)", "Integral(x**2*cos(3*x), x) + C"),
        ("2*acosh(x)", "2*x*acosh(x) - 2*sqrt(x - 1)*sqrt(x + 1) + C"),
        ("exp(-x**2)", "sqrt(pi)*erf(x)/2 + C"),
    ],
)
async def test_an_integral_may_be_stated_with_all_usual_functions(integrand: str, answer: str) -> None:
    entry = {"question": "?", "answer": None, "metadata": {"variable": "x", "integrand": integrand}}
    question = Question("q", "?", kind="reasoning_gym", data={"task": "intermediate_integration", "entry": entry})
    assert await score(question, answer) == 1.0
    assert await score(question, f"2*x + {answer}") == 0.0


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


async def test_a_scorer_that_runs_out_of_time_or_dies_gives_no_score_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gym_scoring, "TIMEOUT_S", 0.5)
    question = questions("countdown")[0]
    verdict = await ReasoningGymScorer().score(question, "<answer>7**(10**9)</answer>")
    assert (verdict.answer, verdict.score) == ("7**(10**9)", None)
    assert verdict.note == "the scorer of countdown took over 0.5 s of processor time"


@pytest.mark.parametrize("task", ["number_sequence", "arc_agi", "boxnet"])
async def test_an_entry_that_its_task_cannot_score_gives_no_score(task: str) -> None:
    broken = Question("q", "?", kind="reasoning_gym", data={"task": task, "entry": {}})
    verdict = await ReasoningGymScorer().score(broken, "<answer>[1]</answer>")
    assert verdict.score is None
    assert verdict.note == f"the scorer of {task} failed (BrokenEntry)"


async def test_an_answer_that_its_task_cannot_read_is_wrong() -> None:
    verdict = await ReasoningGymScorer().score(questions("prime_factorization")[0], "<answer>two</answer>")
    assert verdict.score == 0.0
    assert verdict.note == "the scorer of prime_factorization failed (ValueError)"


@pytest.mark.parametrize(
    ("task", "gold", "metadata", "wrong", "right"),
    [
        ("game_of_life_halting", "True", {}, "False", "**True**"),
        ("game_of_life_halting", "False", {}, "True or False", "false"),
        ("complex_arithmetic", "1.0 + 2.0i", {"result": [1.0, 2.0]}, "nan", "1+2i"),
        ("coin_flip", "0.375", {}, "0.3", "3/8"),
        ("gsm_symbolic", "12", {}, "-12", "12 (= 20 - 8)"),
        ("spell_backward", "noremopyh", {}, "noremopyh noremopyh", "Noremopyh"),
    ],
)
async def test_what_a_task_mistakes_for_right_is_wrong(
    task: str, gold: str, metadata: dict[str, Any], wrong: str, right: str
) -> None:
    entry = {"question": "?", "answer": gold, "metadata": metadata}
    question = Question("q", "?", kind="reasoning_gym", gold=gold, data={"task": task, "entry": entry})
    assert await score(question, wrong) == 0.0
    assert await score(question, right) == 1.0


async def test_a_puzzle_of_no_task_has_an_answer_but_no_score() -> None:
    verdict = await ReasoningGymScorer().score(Question("q", "?", kind="reasoning_gym"), "<answer>1</answer>")
    assert (verdict.answer, verdict.score) == ("1", None)


@pytest.mark.parametrize("data", [{"entry": {}}, {"task": "countdown"}, {"task": "no_such_task", "entry": {}}])
async def test_a_question_that_cannot_be_scored_is_the_users_matter(data: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="question q7"):
        await ReasoningGymScorer().score(Question("q7", "?", kind="reasoning_gym", data=data), "<answer>1</answer>")


async def test_many_at_once() -> None:
    asked = questions("chain_sum", 40)
    texts = [gold_response(question) or "" for question in asked]
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
