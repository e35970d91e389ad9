"""Gold answers: stated as a model would, they are right, row by row of the evaluation sets."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from selfagg.scoring import gold_response, scorer_for
from selfagg.scoring.gold import math_gold, respelled
from selfagg.types import Kind, Question

SETS: list[tuple[str, Kind, int]] = [
    ("aime25", "math", 30),
    ("hmmt25", "math", 30),
    ("rg_games", "reasoning_gym", 88),
    ("rg_cognition", "reasoning_gym", 100),
    ("supergpqa_1", "choice", 200),
    ("supergpqa_2", "choice", 200),
    ("supergpqa_3", "choice", 200),
]


def load(name: str, kind: Kind) -> list[Question]:
    folder = os.environ.get("SELFAGG_DATA")
    if not folder:
        pytest.skip("SELFAGG_DATA names no folder with the evaluation sets")
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    found = []
    for i, row in enumerate(pq.read_table(Path(folder) / f"{name}.parquet").to_pylist()):
        gold, data = row["reward_model"]["ground_truth"], {}
        if kind == "reasoning_gym":
            entry = json.loads(row["extra_info"]["entry"])
            gold, data = entry["answer"], {"task": row["extra_info"]["dataset_name"], "entry": entry}
        found.append(Question(f"{name}-{i}", row["prompt"][0]["content"], kind=kind, gold=gold, data=data))
    return found


@pytest.mark.parametrize(("name", "kind", "known"), SETS, ids=[name for name, *_ in SETS])
async def test_every_gold_answer_scores_one(name: str, kind: Kind, known: int) -> None:
    scorer = scorer_for(kind)
    rows = [(question, text) for question in load(name, kind) if (text := gold_response(question))]
    verdicts = await asyncio.gather(*(scorer.score(*row) for row in rows))
    wrong = [(row[0].id, verdict) for row, verdict in zip(rows, verdicts, strict=True) if verdict.score != 1.0]
    assert wrong == []
    assert len(rows) == known  # boxnet and rush_hour, 12 of the games, come without an answer


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (Question("q", "?", kind="math", gold="5"), r"\boxed{5}"),
        (Question("q", "?", kind="choice", gold="B"), r"\boxed{B}"),
        (Question("q", "?", kind="text", gold="Paris"), "<answer>Paris</answer>"),
        (Question("q", "?", kind="code", gold="print(1)"), "```python\nprint(1)\n```"),
        (Question("q", "?", kind="reasoning_gym", gold="5"), "<answer>5</answer>"),
        (Question("q", "?", kind="reasoning_gym", data={"entry": {"answer": "5"}}), "<answer>5</answer>"),
        (
            Question("q", "?", kind="reasoning_gym", data={"entry": {"metadata": {"possible_answer": {"0": 1}}}}),
            '<answer>{"0": 1}</answer>',
        ),
        (Question("q", "?", kind="reasoning_gym", data={"entry": {"answer": None}}), None),
        (Question("q", "?", kind="math"), None),
    ],
)
def test_a_gold_answer_is_stated_in_the_form_of_its_kind(question: Question, text: str | None) -> None:
    assert gold_response(question) == text


@pytest.mark.parametrize(
    ("kind", "gold", "text"),
    [
        ("math", "5", r"So the final answer is $\boxed{\mathbf{5.0}}$."),
        ("math", r"so \boxed{-12}", r"So the final answer is $\boxed{\mathbf{-12.0}}$."),
        ("math", "#### 7", r"So the final answer is $\boxed{\mathbf{7.0}}$."),
        ("math", " $x+1$ ", r"So the final answer is $\boxed{\displaystyle x+1\,}$."),
        ("math", "X+1", r"So the final answer is $\boxed{\displaystyle X+1\,}$."),
        ("math", r"\tfrac{1}{2}", r"So the final answer is $\boxed{\displaystyle \dfrac{1}{2}\,}$."),
        ("math", "1, 2", r"So the final answer is $\boxed{\displaystyle 1,\; 2\,}$."),
        ("math", "1,000", r"So the final answer is $\boxed{\displaystyle 1,000\,}$."),
        ("math", "red", r"So the final answer is $\boxed{\textbf{RED}}$."),
        ("math", "a", r"So the final answer is $\boxed{\textbf{a}}$."),
        ("choice", "(B)", r"So the right option is \boxed{\text{(B)}}."),
        ("choice", r"\boxed{C}", r"So the right option is \boxed{\text{(C)}}."),
        ("text", "Rome", "I think so.\n<answer>\nrOME </answer>\nThat is all."),
        ("text", "Köln", "I think so.\n<answer>\nKöln </answer>\nThat is all."),
        ("text", None, None),
        ("code", "x", None),
        ("reasoning_gym", "x", None),
    ],
)
async def test_a_gold_answer_in_another_spelling_is_right_too(kind: Kind, gold: str | None, text: str | None) -> None:
    question = Question("q", "?", kind=kind, gold=gold)
    assert respelled(question) == text
    if text is not None:
        assert (await scorer_for(kind).score(question, text)).score == 1.0


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("5", "5"),
        ("3 and 4 are\n  #### 7", "7"),
        ("#### 7 apples \n", "7 apples"),
        (r"\boxed{3} #### 4", "3"),
        ("####", "####"),
        ("a #### 4", "a #### 4"),
    ],
)
def test_the_answer_within_a_gold_answer(gold: str, answer: str) -> None:
    assert math_gold(gold) == answer
