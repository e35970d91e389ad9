"""Gold answers: stated as a model would, they are right, row by row of the evaluation sets."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from selfagg.scoring import gold_response, scorer_for
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
