from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from selfagg.benchmarks import benchmark, load_questions
from selfagg.errors import UsageError


def row(i: int, **changes: Any) -> dict[str, Any]:
    return {"problem": f"What is {i} + {i}?", "answer": str(2 * i), "solution": "Add.", **changes}


def written(folder: Path, rows: Sequence[dict[str, Any]], name: str = "deepscaler.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_local_copy_gives_mathematics_with_answers(tmp_path: Path, as_folder: bool) -> None:
    path = written(tmp_path, [row(i) for i in range(5)])
    questions = load_questions("deepscaler", data=tmp_path if as_folder else path)
    assert {(question.id, question.text, question.gold) for question in questions} == {
        (f"deepscaler-{i + 1}", f"What is {i} + {i}?", str(2 * i)) for i in range(5)
    }
    assert {question.kind for question in questions} == {"math"}


def test_a_smaller_size_is_a_part_of_a_larger_one_and_not_the_files_beginning(tmp_path: Path) -> None:
    path = written(tmp_path, [row(i) for i in range(60)])
    sizes = {size: [q.id for q in load_questions("deepscaler", data=path, size=size)] for size in (20, 40)}
    assert sizes[40][:20] == sizes[20]
    assert set(sizes[20]) != {f"deepscaler-{i + 1}" for i in range(20)}
    assert benchmark("deepscaler").size == 16_000


def test_rows_without_an_answer_are_left_out_and_keep_their_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, [row(0, answer=""), row(1), row(2, answer="  "), row(3)])
    assert {question.id for question in load_questions("deepscaler", data=path)} == {"deepscaler-2", "deepscaler-4"}


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([{"answer": "1"}], r"deepscaler\.json, item 1: there is no column 'problem'"),
        ([{"problem": "1?"}], r"deepscaler\.json, item 1: there is no column 'answer'"),
        ([row(1, problem=" ")], "'problem' is blank"),
        ([], "is empty"),
    ],
)
def test_what_is_broken_is_said(tmp_path: Path, rows: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        load_questions("deepscaler", data=written(tmp_path, rows))


def test_more_than_there_is_and_two_files_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [row(1), row(2, answer="")])
    with pytest.raises(UsageError, match="deepscaler has 1 questions to ask; 2 were asked for"):
        load_questions("deepscaler", data=path, size=2)
    path.rename(tmp_path / "deepscaler-1.json")
    written(tmp_path, [row(3)], "deepscaler-2.json")
    with pytest.raises(UsageError, match="holds 2 data files"):
        load_questions("deepscaler", data=tmp_path)
