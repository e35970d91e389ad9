from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfagg.benchmarks import data_files, load_questions
from selfagg.benchmarks.data_files import READERS
from selfagg.errors import UsageError

ROWS: list[dict[str, Any]] = [
    {"question": "What is 2 + 3?", "answer": 5, "kind": "math", "id": "sum", "group": "easy"},
    {"question": "Say hello.", "instruction": ""},
    {"question": "Which is a prime?", "answer": "B", "kind": "choice", "options": ["4", "5"]},
]


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        names = list(dict.fromkeys(name for row in rows for name in row))
        # Parquet columns have one type: the number of the first row becomes text.
        columns = {n: [str(row[n]) if n == "answer" and n in row else row.get(n) for row in rows] for n in names}
        pq.write_table(pa.table(columns), path)
    else:
        path.write_text(lines(*rows) if path.suffix == ".jsonl" else json.dumps(rows), encoding="utf-8")
    return path


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        load_questions(str(path), **options)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_every_format_gives_the_same_questions(tmp_path: Path, suffix: str) -> None:
    first, second, third = load_questions(str(write(tmp_path / f"mine{suffix}", ROWS)))
    assert (first.id, first.text, first.kind, first.gold) == ("sum", "What is 2 + 3?", "math", "5")
    assert (first.group, first.instruction) == ("easy", None)
    assert (second.id, second.kind, second.gold, second.instruction) == ("mine-2", "text", None, "")
    assert third.text == "Which is a prime?\n\nOption A : 4\n\nOption B : 5"


def test_blank_lines_a_byte_order_mark_and_line_separators_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('\ufeff\n{"question": "one\u2028line"}\n\n{"question": "two"}', encoding="utf-8")
    assert [(q.id, q.text) for q in load_questions(str(path))] == [("q-2", "one\u2028line"), ("q-4", "two")]


def test_numbers_become_answers_without_an_exponent(tmp_path: Path) -> None:
    numbers = [4, 0.5, -2.0, 1e-07, 1.5e20, 10**25]
    path = write(tmp_path / "q.jsonl", [{"question": "x", "answer": number} for number in numbers])
    golds = [q.gold for q in load_questions(str(path))]
    assert golds == ["4", "0.5", "-2.0", "0.0000001", "150000000000000000000", "1" + "0" * 25]


def test_escaped_characters_beyond_the_basic_plane_are_no_halves(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "\\ud83d\\ude00"}')
    assert [q.text for q in load_questions(str(path))] == ["\U0001f600"]


def test_a_program_without_tests_is_asked_for_but_not_scored(tmp_path: Path) -> None:
    (question,) = load_questions(str(write(tmp_path / "q.jsonl", [{"question": "x", "kind": "code"}])))
    assert (question.kind, question.gold, question.data) == ("code", None, {})


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    write(tmp_path / "b.json", [{"question": "three"}])
    write(tmp_path / "a.jsonl", [{"question": "one"}, {"question": "two"}])
    (tmp_path / "notes.txt").write_text("not data")
    assert [q.id for q in load_questions(str(tmp_path))] == ["a-1", "a-2", "b-1"]
    assert [q.id for q in load_questions(str(tmp_path), size=2)] == ["a-1", "a-2"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (lines(*[{"question": "x"}] * 6).encode() + b'{"question": ', "q.jsonl, line 7, column 14: not valid JSON"),
        (lines({"question": "x"}, [1]).encode(), "q.jsonl, line 2: each row must be an object with named columns"),
        (
            lines({"prompt": "x", "answer": "y"}).encode(),
            "line 1: there is no column 'question' (columns found: prompt",
        ),
        (lines({"question": 5}).encode(), "line 1: the column 'question' must be text, not a number"),
        (lines({"question": None}).encode(), "the column 'question' must be text, not null"),
        (lines({"question": " "}).encode(), "the column 'question' is blank"),
        (lines({"question": "x", "answer": ["y"]}).encode(), "'answer' must be text or a number, not a list"),
        (lines({"question": "x", "answer": True}).encode(), "'answer' must be text or a number, not true or false"),
        (
            lines({"question": "x", "kind": "maths"}).encode(),
            "'maths' in the column 'kind' is unknown; did you mean math",
        ),
        (
            lines({"question": "x", "id": 1}, {"question": "y", "id": "1"}).encode(),
            "'1' is taken already by q.jsonl, line 1",
        ),
        (lines({"question": "x"}).encode() + b'{"question": "\xff"}', "q.jsonl, line 2: the file is not UTF-8"),
        (b'{"question": ' + b"[" * 100_000, "nested too deeply"),
        (
            lines({"question": "x", "options": ["1", "2"], "answer": "C"}).encode(),
            "an option's letter (A to B) or the text of exactly one option, not 'C'",
        ),
        (
            lines({"question": "x", "kind": "choice", "choices": ["1", "2"], "answer": "A"}).encode(),
            "line 1: what can be chosen goes into the column 'options'",
        ),
        (
            lines({"question": "x", "kind": "reasoning_gym", "answer": "1"}).encode(),
            "lacks the Reasoning Gym task and the entry",
        ),
        (lines({"question": "x", "data": "{"}).encode(), "the column 'data' is not valid JSON"),
        (b'{"question": "x", "answer": NaN}', "'answer' holds NaN, which is no number"),
        (b'{"question": "x", "answer": ' + b"1" * 5000 + b"}", "not valid JSON"),
        (b'{"question": "\\ud800"}', "half a surrogate pair"),
        (b'{"question": "x", "answer": "\\ud800"}', "half a surrogate pair"),
        (b'{"question": "x", "id": "\\udfff"}', "half a surrogate pair"),
        (b'{"question": "x", "data": "{\\"a\\": \\"\\\\ud800\\"}"}', "half a surrogate pair"),
        (b'{"question": "x", "answer": 1e999}', "a number too large"),
        (lines({"question": "x", "answer": " "}).encode(), "line 1: the column 'answer' is blank"),
        (lines({"question": "x", "kind": "code", "answer": "1"}).encode(), "line 1, column 'data': a programming"),
        (
            lines({"question": "x", "kind": "code", "data": {"format": "stdin"}}).encode(),
            "line 1, column 'data': a programming problem has no tests",
        ),
    ],
)
def test_what_is_broken_is_said_in_one_sentence(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(content)
    message = refusal(path)
    assert complaint in message
    assert "\n" not in message


def test_missing_unknown_and_unreadable_files_are_refused(tmp_path: Path) -> None:
    assert "there is no file or folder" in refusal(tmp_path / "no.jsonl")
    assert "holds no data files" in refusal(tmp_path)
    (tmp_path / "table.xlsx").write_text("question\nx\n")
    assert "must end with one of .jsonl, .ndjson, .json, .csv" in refusal(tmp_path / "table.xlsx")
    (tmp_path / "list.json").write_text('{"question": "x"}')
    assert "must hold a list of objects, not an object" in refusal(tmp_path / "list.json")
    good = write(tmp_path / "good.parquet", [{"question": "x" * 1000}]).read_bytes()
    for name, content in {"cut": good[: len(good) // 2], "text": b"hello", "flipped": b"PAR1" + good[-200:]}.items():
        (tmp_path / f"{name}.parquet").write_bytes(content)
        assert f"{name}.parquet is not a readable parquet file" in refusal(tmp_path / f"{name}.parquet")


@pytest.mark.parametrize(
    "name", ["q.jsonl", "q.NDJSON", "Q.JSONL", "q.jsonl.gz", "q.JSON.GZ", "q.csv", "q.tsv", "q.csv.gz"]
)
def test_any_name_and_packing(tmp_path: Path, name: str) -> None:
    rows = [{"question": "What is 2 + 3?", "answer": "5"}, {"question": 'Say "a, b".', "answer": ""}]
    form = name.lower().removesuffix(".gz")
    if form.endswith((".csv", ".tsv")):
        file = io.StringIO()
        writer = csv.DictWriter(file, ["question", "answer"], dialect="excel-tab" if form[-3:] == "tsv" else "excel")
        writer.writeheader()
        writer.writerows(rows)
        text = file.getvalue()
    else:
        known = [{name: value for name, value in row.items() if value} for row in rows]
        text = json.dumps(known) if form.endswith(".json") else lines(*known)
    content = ("\ufeff" + text).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.lower().endswith(".gz") else content)
    questions = load_questions(str(tmp_path / name))
    assert [(q.text, q.gold) for q in questions] == [("What is 2 + 3?", "5"), ('Say "a, b".', None)]
    assert questions[0].id.lower() in ("q-1", "q-2")  # the first line of a file of JSON lines is its first row


def test_a_table_with_semicolons_and_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text('question;options;answer\n"two\nlines";"[1, ""x""]";x\n', encoding="utf-8")
    (question,) = load_questions(str(path))
    assert (question.text, question.gold) == ("two\nlines\n\nOption A : 1\n\nOption B : x", "B")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("question,answer\nx\n", "q.csv, row 1: it has 1 fields, but there are 2 columns"),
        ("question,question\nx,y\n", "two columns have one name"),
        ('question\n"x\n', "not valid CSV"),
        ("question\n", "is empty"),
    ],
)
def test_broken_tables_are_refused(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "q.csv").write_text(content)
    assert complaint in refusal(tmp_path / "q.csv")


def test_integers_that_pandas_made_decimals_are_integers_again(tmp_path: Path) -> None:
    columns = {"question": ["a", "b", "c"], "answer": [5.0, None, -2.0], "id": [0.5, 1.5, 2.0]}
    pq.write_table(pa.table(columns), tmp_path / "q.parquet")
    for size in (1, None):
        questions = load_questions(str(tmp_path / "q.parquet"), size=size)
        assert [(q.id, q.gold) for q in questions] == [("0.5", "5"), ("1.5", None), ("2.0", "-2")][:size]
    pq.write_table(pa.table(columns | {"answer": [5.0, float("nan"), -2.0]}), tmp_path / "q.parquet")
    assert [q.gold for q in load_questions(str(tmp_path / "q.parquet"))] == ["5", None, "-2"]
    pq.write_table(pa.table(columns | {"answer": [5.0, 1.0, -2.0]}), tmp_path / "q.parquet")
    assert [q.gold for q in load_questions(str(tmp_path / "q.parquet"))] == ["5.0", "1.0", "-2.0"]


def test_what_no_question_needs_may_be_anything(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "x", "loss": NaN, "answer": 1}\n')
    assert load_questions(str(path))[0].gold == "1"
    path.write_text('{"question": "x", "data": {"loss": NaN}}\n')
    assert "'data' holds NaN" in refusal(path)


@pytest.mark.parametrize(
    ("gold", "letter"),
    [("B", "B"), ("(B)", "B"), ("B.", "B"), ("b", "B"), ("two", "B"), ("4", "A"), (4, "A"), ("B. two", "B")],
)
def test_the_right_option_in_any_form(tmp_path: Path, gold: str | int, letter: str) -> None:
    path = write(
        tmp_path / "q.jsonl", [{"question": "x", "kind": "choice", "options": [4, "two", 0.5], "answer": gold}]
    )
    (question,) = load_questions(str(path))
    assert (question.gold, question.text) == (letter, "x\n\nOption A : 4\n\nOption B : two\n\nOption C : 0.5")


def test_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines({"question": "1"}, {"question": "2"}) + "broken\n")
    (tmp_path / "b.csv").write_text("question\n3\n")
    assert [q.text for q in load_questions(str(tmp_path), size=2)] == ["1", "2"]
    assert [q.text for q in load_questions(str(tmp_path / "a.jsonl"), size=1)] == ["1"]
    assert "line 3" in refusal(tmp_path, size=3)
    assert "line 3" in refusal(tmp_path, size=1, examples=1)


def test_what_is_no_regular_file_or_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert "no regular file" in refusal(tmp_path / "pipe.jsonl")
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    assert "no regular file" in refusal(tmp_path / "zero.jsonl")
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    assert "cannot be read" in refusal(tmp_path / "loop.jsonl")
    assert "cannot be read" in refusal(tmp_path / ("n" * 300 + ".jsonl"))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"question": "x"}' * 1000)[:-20])
    assert "not a readable gzip file" in refusal(tmp_path / "cut.jsonl.gz")


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_files, "_MOST_BYTES", 1 << 20)
    pq.write_table(pa.table({"question": ["x" * 4_000_000]}), tmp_path / "value.parquet", compression="zstd")
    pq.write_table(pa.table({"question": ["x" * 10_000] * 1000}), tmp_path / "rows.parquet", compression="zstd")
    (tmp_path / "line.jsonl.gz").write_bytes(gzip.compress(b" " * (2 << 20)))
    for name in ("value.parquet", "rows.parquet", "line.jsonl.gz"):
        assert (tmp_path / name).stat().st_size < 100_000
        assert f"{name} is too large" in refusal(tmp_path / name)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
columns = ["question", "answer", "kind", "id", "instruction", "options", "data", "group"]
columns += ["data_source", "prompt", "reward_model", "extra_info", "problem_idx", "problem_type"]
kinds = st.sampled_from(["math", "choice", "MathArena/x", "reasoning_gym", "m-a-p/SuperGPQA"])
messages = st.just([{"role": "user", "content": "2 + 2?"}])
rows = st.dictionaries(st.sampled_from(columns), json_values | kinds | messages, max_size=8)


@given(st.lists(rows, min_size=1, max_size=2))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_rows_give_questions_or_one_sentence(tmp_path: Path, drawn: list[dict[str, Any]]) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(lines(*drawn))
    questions, complaint = None, ""
    try:
        questions = load_questions(str(path))
    except UsageError as error:
        complaint = str(error)
    if questions is None:
        assert complaint.startswith("q.jsonl, line ")
    else:
        assert all(isinstance(q.text, str) and isinstance(q.gold, str | None) for q in questions)
        assert len({q.id for q in questions}) == len(drawn)


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_questions_or_one_sentence(tmp_path: Path, content: bytes) -> None:
    for suffix in (*READERS, ".jsonl.gz"):
        path = tmp_path / f"q{suffix}"
        path.write_bytes(content)
        with contextlib.suppress(UsageError):
            load_questions(str(path))


def test_sizes_and_options_that_cannot_be_met_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", ROWS)
    assert refusal(path, size=4) == "q.jsonl has 3 questions to ask; 4 were asked for"
    assert "at least 1" in refusal(path, size=0)
    assert "takes no settings" in refusal(path, settings={"a": "b"})
    assert "--data goes with a benchmark's name" in refusal(path, data=path)
    assert "cannot be negative" in refusal(path, examples=-1)
