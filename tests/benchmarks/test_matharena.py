"""AIME 2025 and HMMT 2025, as the hub has them and as the paper's authors do."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from selfagg.benchmarks import load_questions
from selfagg.benchmarks.validate import validate
from selfagg.errors import UsageError

DATA = os.environ.get("SELFAGG_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SELFAGG_DATA names no folder with the evaluation sets")


def test_a_folder_may_look_like_the_hub_or_hold_the_sets_by_name(tmp_path: Path) -> None:
    rows = {"problem_idx": [3], "problem": ["1 + 1?"], "answer": ["2"], "problem_type": [["Algebra"]]}
    hub = tmp_path / "data" / "train-00000-of-00001.parquet"
    hub.parent.mkdir()
    pq.write_table(pa.table(rows), hub)
    by_name = tmp_path / "sets"
    by_name.mkdir()
    pq.write_table(pa.table(rows), by_name / "hmmt25.parquet")
    (by_name / "aime25.parquet").write_text("another set, not read")
    [one], [other] = load_questions("hmmt25", data=tmp_path), load_questions("hmmt25", data=by_name)
    assert one == other
    assert (one.id, one.text, one.gold, one.kind, one.group) == ("hmmt25-3", "1 + 1?", "2", "math", "Algebra")


def test_a_problem_without_a_type_has_no_group_and_an_answer_may_be_a_number(tmp_path: Path) -> None:
    rows = {"problem_idx": [1, 2], "problem": ["1 + 1?", "1 / 2?"], "answer": [2, 0.5], "problem_type": [[], None]}
    pq.write_table(pa.table(rows), tmp_path / "aime25.parquet")
    assert [(q.id, q.gold, q.group) for q in load_questions("aime25", data=tmp_path)] == [
        ("aime25-1", "2.0", ""), ("aime25-2", "0.5", ""),
    ]  # fmt: skip


def test_two_files_with_the_same_problems_are_refused(tmp_path: Path) -> None:
    for name in ("aime25_a.parquet", "aime25_b.parquet"):
        pq.write_table(pa.table({"problem_idx": [1], "problem": ["1 + 1?"], "answer": ["2"]}), tmp_path / name)
    with pytest.raises(UsageError, match=r"aime25_b\.parquet, row 1: the id 'aime25-1' is taken already by aime25_a"):
        load_questions("aime25", data=tmp_path)


@needs_data
@pytest.mark.parametrize(("name", "size"), [("aime25", 30), ("hmmt25", 30)])
async def test_the_gold_answers_of_the_authors_files_are_right(name: str, size: int) -> None:
    assert DATA
    questions = load_questions(name, data=Path(DATA))
    assert len(questions) == size
    assert all(q.instruction is None and "boxed" not in q.text[-60:] for q in questions)
    validation = await validate(questions)
    assert (validation.right, validation.failures, validation.unstated) == (size, (), ())


@needs_data
def test_the_authors_files_can_be_read_as_files_too() -> None:
    assert DATA
    by_file = load_questions(str(Path(DATA) / "aime25.parquet"))
    by_name = load_questions("aime25", data=Path(DATA))
    assert [q.gold for q in by_file] == [q.gold for q in by_name]
    assert all(q.instruction == "" and q.text.endswith("within \\boxed{}.") for q in by_file)
