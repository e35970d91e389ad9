"""Rows and their columns, files of rows, and JSON that goes too deep or holds no character."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.benchmarks.data_files import DataRow, data_files, json_row, questions_of, read_rows, stem, unique
from selfagg.errors import UsageError
from selfagg.types import Question


def row(**values: Any) -> DataRow:
    return DataRow("q.jsonl, line 7", 6, values)


def said(work: Callable[[], object]) -> str:
    with pytest.raises(UsageError) as caught:
        work()
    return str(caught.value)


def test_a_column_is_there_or_named() -> None:
    assert row(a=0).has("a")
    assert not row(a=None).has("a")
    assert row(a=None).value("a") is None
    assert said(lambda: row(a=1, b=2).value("c")) == "q.jsonl, line 7: there is no column 'c' (columns found: a, b)"
    assert said(lambda: row().value("c")).endswith("(columns found: none)")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (5, "a number"),
        (0.5, "a number"),
        (True, "true or false"),
        (None, "null"),
        ([], "a list"),
        ({}, "an object"),
        (b"", "bytes"),
    ],
)
def test_a_text_is_a_text(value: object, kind: str) -> None:
    assert row(a=" x ").text("a") == " x "
    assert said(lambda: row(a=value).text("a")) == f"q.jsonl, line 7: the column 'a' must be text, not {kind}"
    assert said(lambda: row(a=" \n").text("a")).endswith("the column 'a' is blank")


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_number_is_written_without_an_exponent_and_loses_nothing(number: float) -> None:
    text = row(a=number).answer("a")
    assert not set(text) - set("-.0123456789")
    assert type(number)(text) == number


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (True, "must be text or a number, not true or false"),
        (["1"], "must be text or a number, not a list"),
        (None, "must be text or a number, not null"),
        (float("nan"), "holds NaN, which is no number"),
        (float("-inf"), "holds a number too large to be held exactly"),
    ],
)
def test_what_is_no_answer(value: object, complaint: str) -> None:
    assert said(lambda: row(a=value).answer("a")) == f"q.jsonl, line 7: the column 'a' {complaint}"
    assert row(a="").answer("a") == ""


def test_objects_and_lists_may_be_json_texts() -> None:
    assert row(a={"b": 1}).mapping("a") == row(a='{"b": 1}').mapping("a") == {"b": 1}
    assert row(a='["x", 2, 0.5]').texts("a") == row(a=["x", 2, 0.5]).texts("a") == ["x", "2", "0.5"]
    inner = row(a='{"b": "x", "c": null}').inside("a")
    assert (inner.place, inner.number, inner.text("a.b"), inner.has("a.c")) == ("q.jsonl, line 7", 6, "x", False)
    assert said(lambda: inner.text("a.d")).endswith("there is no column 'a.d' (columns found: a.b, a.c)")


@pytest.mark.parametrize(
    ("value", "mapping", "texts"),
    [
        ("{", "is not valid JSON", "is not valid JSON"),
        ("[]", "must be an object, not a list", "must be a list of texts, not a list"),
        ([True], "must be an object, not a list", "must be a list of texts, not a list"),
        ({"a": float("nan")}, "holds NaN", "must be a list of texts, not an object"),
        (3, "must be an object, not a number", "must be a list of texts, not a number"),
    ],
)
def test_what_is_no_object_and_no_list(value: object, mapping: str, texts: str) -> None:
    assert mapping in said(lambda: row(a=value).mapping("a"))
    assert texts in said(lambda: row(a=value).texts("a"))


def nested(depth: int) -> str:
    return '{"a": ' * (depth // 2) + "[" * (depth - depth // 2) + "]" * (depth - depth // 2) + "}" * (depth // 2)


def test_a_hundred_levels_are_read_and_no_more() -> None:
    assert json_row("q", 0, nested(100)).place == "q"
    assert said(lambda: json_row("q", 0, nested(101))) == "q: the JSON is nested too deeply"
    wide = json.dumps({"a": [[]] * 1000})
    assert len(json_row("q", 0, wide).values["a"]) == 1000


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "q, column 1: not valid JSON (Expecting value)"),
        ('{"a": 1,}', "q, column 9: not valid JSON"),
        ('{"a":\n]', "q, line 2, column 1: not valid JSON (Expecting value)"),
        ("[1]", "q: each row must be an object with named columns, not a list"),
        ("null", "not null"),
        ('{"a": "\\uD800"}', "q: not valid JSON (half a surrogate pair is no character)"),
        ('{"\\udc00": 1}', "half a surrogate pair"),
    ],
)
def test_what_is_no_row(text: str, complaint: str) -> None:
    assert complaint in said(lambda: json_row("q", 0, text))


def test_whole_pairs_and_nan_that_nobody_reads_are_read() -> None:
    assert json_row("q", 3, '{"a": "\\uD83D\\uDE00", "b": NaN}').text("a") == "\U0001f600"


def test_rows_have_places_and_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('\n{"x": 1}\n\n{"x": 2}\r\n')
    assert [(one.place, one.number, one.values) for one in read_rows(tmp_path / "a.jsonl")] == [
        ("a.jsonl, line 2", 1, {"x": 1}),
        ("a.jsonl, line 4", 3, {"x": 2}),
    ]
    (tmp_path / "b.json").write_text('[{"x": 1}, {"x": 2}]')
    assert [(one.place, one.number) for one in read_rows(tmp_path / "b.json", 1)] == [("b.json, item 1", 0)]
    (tmp_path / "c.tsv").write_text("x\t y \n1\t\n\n2\t3\n")
    assert [(one.place, one.number, one.values) for one in read_rows(tmp_path / "c.tsv")] == [
        ("c.tsv, row 1", 0, {"x": "1", "y": None}),
        ("c.tsv, row 2", 1, {"x": "2", "y": "3"}),
    ]


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    def made(*names: str) -> list[Path]:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return [tmp_path / name for name in names]

    first, second, other = made("set_1.json", "set-2.jsonl.gz", "zebra.csv")
    made("notes.txt")
    assert data_files(first) == [first]
    assert data_files(tmp_path) == [second, first, other]
    assert data_files(tmp_path, "set") == [second, first]
    assert data_files(tmp_path, "unknown") == [second, first, other]
    below = made("data/my_set_v1/part.parquet", "data/my_set_v1/more/other.parquet")
    assert data_files(tmp_path, "my-set") == sorted(below)
    train = made("data/my_set_v1/train-0.parquet")
    assert data_files(tmp_path, "my-set") == train


def test_a_file_by_name() -> None:
    assert [stem(Path(name)) for name in ("a/b.c.jsonl.gz", "b.JSONL.GZ", "c.csv")] == ["b.c", "b", "c"]


def test_ids_are_unique() -> None:
    one, two = Question("a", "?"), Question("b", "?")
    assert unique([(one, "here"), (two, "there")]) == [one, two]
    assert said(lambda: unique([(one, "here"), (two, "there"), (one, "yonder")])) == (
        "yonder: the id 'a' is taken already by here"
    )
    rows = [row(id="a"), row(id="b")]
    assert questions_of(rows, lambda one: Question(one.text("id"), "?")) == [one, two]
