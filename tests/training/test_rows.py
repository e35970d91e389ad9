from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.errors import UsageError
from selfagg.record.rows import question_body
from selfagg.training.rows import BATCH, TrainingRow, question_of, read_rows, schema, write_rows
from selfagg.types import Example, Question

QUESTION = Question(
    "q 1",
    "What is 2 + 2?",
    kind="reasoning_gym",
    instruction="Say it.",
    context=({"role": "system", "content": "Be brief."},),
    examples=(Example("1 + 1?", "2", "3"),),
    data={"task": "chain_sum", "entry": {"question": "2 + 2?", "answer": "4", "metadata": {"terms": [2, 2]}}},
    group="chain_sum",
)
ROW = TrainingRow(
    data_source="selfagg/reasoning_gym:chain_sum",
    prompt=({"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2? é ∑ \u2028 \U0001f600"}),
    ability="reasoning_gym",
    ground_truth="4",
    index=0,
    split="train",
    id="q 1",
    question=question_body(QUESTION),
    aggregation=True,
    k=4,
    c=3,
    prompt_tokens=77,
)


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, index=1, aggregation=False, k=0, c=-1, ground_truth="")]
    assert write_rows(tmp_path, "train", rows) == 2
    assert read_rows(tmp_path) == rows
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.parquet"]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-1, 9))
def test_any_text_survives_the_columns(text: str, c: int) -> None:
    row = replace(ROW, prompt=({"role": "user", "content": text},), ground_truth=text, id=text, c=c)
    [kept] = pa.Table.from_pylist([row.columns()], schema=schema()).to_pylist()
    assert TrainingRow.of(kept) == row


def test_the_whole_question_comes_back(tmp_path: Path) -> None:
    write_rows(tmp_path, "train", [ROW])
    [row] = read_rows(tmp_path)
    assert question_of(row) == QUESTION
    assert question_of(row.columns()["extra_info"]) == QUESTION


def test_more_rows_than_a_batch(tmp_path: Path) -> None:
    rows = [replace(ROW, index=index) for index in range(2 * BATCH + 1)]
    assert write_rows(tmp_path, "train", iter(rows)) == len(rows)
    assert read_rows(tmp_path) == rows


def test_a_writer_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    write_rows(tmp_path, "train", [ROW])

    def broken() -> Any:
        yield from [replace(ROW, id="new")] * (BATCH + 1)
        raise RuntimeError("broken off")

    with pytest.raises(RuntimeError):
        write_rows(tmp_path, "train", broken())
    assert read_rows(tmp_path) == [ROW]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.parquet"]


def test_a_set_without_a_test_split_has_no_test_rows(tmp_path: Path) -> None:
    write_rows(tmp_path, "train", [ROW])
    assert read_rows(tmp_path, "test") == []


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_folder_without_a_set_is_refused(tmp_path: Path, split: Any) -> None:
    with pytest.raises(UsageError, match=r"holds no training set: there is no (train|test)\.parquet"):
        read_rows(tmp_path, split)


def test_another_parquet_file_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": ["a"]}), tmp_path / "train.parquet")
    with pytest.raises(UsageError, match=r"is no training set .*: there is no column 'data_source'"):
        read_rows(tmp_path)
    (tmp_path / "train.parquet").write_text("no parquet at all")
    with pytest.raises(UsageError, match="is no training set"):
        read_rows(tmp_path)


def test_datasets_reads_the_right_types(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    write_rows(tmp_path, "train", [ROW])
    loaded = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "train.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.column_names == ["data_source", "prompt", "ability", "reward_model", "extra_info"]
    [row] = loaded
    assert row["prompt"] == [dict(message) for message in ROW.prompt]
    assert row["reward_model"] == {"style": "rule", "ground_truth": "4"}
    info = row["extra_info"]
    assert (info["aggregation"], info["k"], info["c"], info["prompt_tokens"]) == (True, 4, 3, 77)
    assert [type(info[name]) for name in ("aggregation", "k", "c", "index")] == [bool, int, int, int]
    assert TrainingRow.of(row) == ROW
