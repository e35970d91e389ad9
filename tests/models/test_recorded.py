"""Recorded answers as a model: votes on real samples, and what cannot be asked of a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import selfagg
from selfagg.methods import RSA, Majority, Method, method_named
from selfagg.types import Question

DATA = os.environ.get("SELFAGG_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SELFAGG_DATA names no folder with the evaluation sets")

ROWS: list[dict[str, Any]] = [
    {"id": "sum", "gold": "42", "answers": ["42", 41, "42.0", None, "42", 40], "tokens": [5, 9, 6, 20, 7, 8]},
    {"model": "m", "set": "s", "index": 3, "gold": "\\frac12", "answers": ["0.5", "2", "1/2"], "tokens": [1, 2, 3]},
    {"id": "letter", "kind": "choice", "gold": "B", "answers": ["B", "A", "B", "B"]},
]


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    return write(tmp_path / "samples.jsonl", ROWS)


def vote(path: Path, method: Method, seed: int = 1) -> selfagg.Evaluation:
    return selfagg.evaluate(path, model=f"recorded:{path}", method=method, seed=seed)


def test_every_recorded_sample_is_given_once(samples: Path) -> None:
    rows = [dict(row, answers=row["answers"][:3], tokens=row.get("tokens", [4] * 4)[:3]) for row in ROWS]
    found = vote(write(samples, rows), Majority(n=3))
    assert [evaluated.question.id for evaluated in found.questions] == ["sum", "m s 3", "letter"]
    sums, halves, letters = (list(evaluated.populations[0].members.values()) for evaluated in found.questions)
    assert sorted((member.answer, member.score) for member in sums) == [("41", 0.0), ("42", 1.0), ("42.0", 1.0)]
    assert sorted(member.score for member in halves if member.score is not None) == [0.0, 1.0, 1.0]
    assert sorted(str(member.answer) for member in letters) == ["A", "B", "B"]
    assert sorted(m.reply.usage.completion for m in sums if m.reply) == [5, 6, 9]
    assert found.summary.usage.completion == (5 + 9 + 6) + (1 + 2 + 3) + (4 + 4 + 4)


def test_a_reply_without_an_answer_and_one_whose_tokens_nobody_knows(samples: Path) -> None:
    questions = selfagg.load_questions(str(samples))
    found = selfagg.evaluate([questions[0]], model=f"recorded:{samples}", method=Majority(n=6))
    assert found.populations[0].unanswered == 1
    letters = selfagg.evaluate([questions[2]], model=f"recorded:{samples}", method=Majority(n=4))
    assert letters.summary.usage.unknown == 4


def test_a_smaller_vote_is_the_beginning_of_a_larger_one_and_a_seed_is_an_order(samples: Path) -> None:
    def order(n: int, seed: int) -> list[str | None]:
        question = selfagg.load_questions(str(samples))[0]
        found = selfagg.evaluate([question], model=f"recorded:{samples}", method=Majority(n=n), seed=seed)
        return [found.questions[0].populations[0][i].answer for i in range(n)]

    assert order(6, 1)[:4] == order(4, 1)
    assert len({tuple(order(6, seed)) for seed in range(5)}) > 1


def test_questions_are_found_by_their_text_too(tmp_path: Path) -> None:
    row = {"question": "What is 6 x 7?", "answer": "42", "kind": "math", "answers": ["42", "42", "41"]}
    path = write(tmp_path / "asked.jsonl", [row])
    found = selfagg.evaluate(path, model=f"recorded:{path}", method=Majority(n=3))
    assert found.answer is not None
    assert found.answer.mean == 1.0
    other = [Question("elsewhere", "What is 6 x 7?", "math", gold="42")]
    assert selfagg.evaluate(other, model=f"recorded:{path}", method=Majority(n=3)).summary.calls == 3
    missing = [Question("elsewhere", "What is 6 x 8?", "math", gold="48")]
    with pytest.raises(selfagg.UsageError, match=r"no question 'elsewhere', neither by its id nor by its text"):
        selfagg.evaluate(missing, model=f"recorded:{path}", method=Majority(n=3))


@pytest.mark.parametrize("method", [RSA(n=3, k=2, t=2), method_named("best-of-n", n=3)], ids=str)
def test_nothing_is_aggregated_or_judged(samples: Path, method: Method) -> None:
    with pytest.raises(selfagg.UsageError, match=r"holds first samples alone.*--method majority"):
        vote(samples, method)


def test_rsa_of_one_population_is_served(samples: Path) -> None:
    assert vote(samples, RSA(n=3, k=2, t=1)).summary.calls == 9


def test_more_samples_than_there_are(samples: Path) -> None:
    with pytest.raises(selfagg.UsageError, match="has 3 samples of question m s 3: ask for -n 3 or fewer"):
        vote(samples, Majority(n=4))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"id": "a", "answers": [["4"]]}, "a list of texts, numbers and nulls"),
        ({"id": "a", "answers": []}, "a list of texts, numbers and nulls"),
        ({"id": "a", "answers": [True]}, "a list of texts, numbers and nulls"),
        ({"id": "a", "answers": ["4"], "tokens": [1, 2]}, "1 answers and 2 tokens"),
        ({"id": "a", "answers": ["4"], "tokens": ["x"]}, "a list of whole numbers"),
        ({"id": "sum", "answers": ["4"]}, "the id 'sum' is taken already"),
        ({"id": "a", "kind": "maths", "answers": ["4"]}, "the kind 'maths'"),
    ],
)
def test_broken_rows_are_named(samples: Path, row: dict[str, Any], words: str) -> None:
    write(samples, [ROWS[0], row])
    question = Question("sum", "?", "math", gold="42")
    with pytest.raises(selfagg.UsageError, match=f"samples.jsonl, line 2: .*{words}"):
        selfagg.evaluate([question], model=f"recorded:{samples}", method=Majority(n=1))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(selfagg.UsageError, match="there is no file"):
        selfagg.evaluate([Question("q", "?")], model=f"recorded:{tmp_path / 'none.jsonl'}", method="single")
    with pytest.raises(selfagg.UsageError, match="names no file"):
        selfagg.evaluate([Question("q", "?")], model="recorded:", method="single")


@needs_data
def test_decided_votes_on_real_samples_equal_full_votes() -> None:
    path = Path(str(DATA)) / "qwen3_first_samples.parquet"
    questions = selfagg.load_questions(str(path))
    assert (len(questions), questions[0].id, len({question.group for question in questions})) == (
        270,
        "Qwen3-0.6B aime24 0",
        9,
    )
    asked = questions[100:130]
    full, decided = (
        selfagg.evaluate(asked, model=f"recorded:{path}", method=Majority(n=32, stop=stop))
        for stop in ("never", "decided")
    )
    winners = [
        [
            next(e.populations[0][i].answer for i, weight in enumerate(e.weights or ()) if weight)
            for e in found.questions
        ]
        for found in (full, decided)
    ]
    assert winners[0] == winners[1]
    assert decided.summary.calls < 0.9 * full.summary.calls == 0.9 * 30 * 32
