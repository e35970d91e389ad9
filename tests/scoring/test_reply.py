"""Votes, and gold answers: stated as a model would, they are right, row by row of the evaluation sets."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.scoring import majority, scorer_for, stated
from selfagg.types import Kind, Member, Question

QUESTION = Question("q", "?")


def members(*answers: str | None) -> list[Member]:
    return [Member(1, i, answer=answer) for i, answer in enumerate(answers)]


async def places(*answers: str | None) -> list[list[int]]:
    groups = await majority(scorer_for("text"), QUESTION, members(*answers))
    return [[member.i for member in group] for group in groups]


@pytest.mark.parametrize(
    ("answers", "groups"),
    [
        (("a", "b", "b"), [[1, 2], [0]]),
        (("a", "b"), [[0], [1]]),
        (("b", "a", "a", "b"), [[0, 3], [1, 2]]),
        ((None, "a", None), [[1]]),
        ((None, None), []),
        ((), []),
    ],
)
async def test_groups(answers: tuple[str | None, ...], groups: list[list[int]]) -> None:
    assert await places(*answers) == groups


async def test_of_the_largest_groups_the_one_with_the_earliest_member_is_first() -> None:
    groups = await majority(scorer_for("text"), QUESTION, members("c", "b", "a", "A", "B"))
    assert groups[0][0].i == 1


async def test_math_votes_by_equality_and_puzzles_do_not() -> None:
    for kind, sizes in (("math", [2]), ("reasoning_gym", [1, 1])):
        groups = await majority(scorer_for(kind), Question("q", "?", kind=kind), members("1/2", "0.5"))  # type: ignore[arg-type]
        assert [len(group) for group in groups] == sizes


@given(st.lists(st.none() | st.sampled_from("abcd"), max_size=12))
async def test_groups_partition_the_voters(answers: list[str | None]) -> None:
    groups = await places(*answers)
    assert sorted(i for group in groups for i in group) == [i for i, answer in enumerate(answers) if answer]
    assert [(-len(group), group[0]) for group in groups] == sorted((-len(group), group[0]) for group in groups)
    votes = Counter(answer for answer in answers if answer)
    assert [len(group) for group in groups] == sorted(votes.values(), reverse=True)


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
    rows = [(question, text) for question in load(name, kind) if (text := stated(question))]
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
def test_stated(question: Question, text: str | None) -> None:
    assert stated(question) == text
