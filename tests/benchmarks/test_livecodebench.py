"""LiveCodeBench from its raw rows: standard input and function calls, small tests and large."""

from __future__ import annotations

import base64
import json
import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from selfagg.benchmarks import load_questions
from selfagg.benchmarks.livecodebench import NEW_IN_V6, RELEASE_V6
from selfagg.errors import UsageError
from selfagg.sandbox import choose_sandbox
from selfagg.scoring.code import CodeScorer
from selfagg.scoring.code_tests import Case, Cases, read_tests

SAMPLE = "livecodebench_sample.jsonl"


def case_text(*cases: tuple[str, str], kind: str) -> str:
    return json.dumps([{"input": given, "output": expected, "testtype": kind} for given, expected in cases])


def raw_row(name: str, **changes: Any) -> dict[str, Any]:
    """A row as the hub has them."""
    private = pickle.dumps(case_text(("5", "10"), kind="stdin"))
    row = {
        "question_title": "Double",
        "question_content": "Print twice the number.",
        "platform": "atcoder",
        "question_id": name,
        "contest_id": "abc",
        "contest_date": "2025-01-04T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": case_text(("1", "2"), kind="stdin"),
        "private_test_cases": base64.b64encode(zlib.compress(private)).decode(),
        "metadata": "{}",
    }
    return row | changes


def function_row(name: str) -> dict[str, Any]:
    private = pickle.dumps(case_text(('["b"]\n3', '["b", "b", "b"]'), kind="functional"))
    return raw_row(
        name,
        question_content="Repeat the list.",
        platform="leetcode",
        starter_code="class Solution:\n    def repeat(self, words: List[str], n: int) -> List[str]:\n        ",
        public_test_cases=case_text(('["a"]\n2', '["a", "a"]'), kind="functional"),
        private_test_cases=base64.b64encode(zlib.compress(private)).decode(),
        metadata='{"func_name": "repeat"}',
        difficulty="medium",
    )


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_real_row() -> None:
    folder = os.environ.get("SELFAGG_DATA")
    if not folder or not (Path(folder) / SAMPLE).is_file():
        pytest.skip("SELFAGG_DATA names no folder with the sample")
    (question,) = load_questions("livecodebench-v6-new", data=Path(folder) / SAMPLE)
    tests = read_tests(question.data)
    assert (question.id, question.group, question.kind) == ("1873_A", "easy", "code")
    assert isinstance(tests, Cases)
    assert len(tests.cases) == 5
    assert tests.cases[1] == Case("1\nabc\n", "YES\n")
    assert question.text.endswith("Write a Python program that solves this problem. It reads the input from standard "
        "input and writes the answer to standard output, nothing else.")  # fmt: skip


async def test_both_kinds_of_problem_are_scored(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", raw_row("a"), function_row("b"))
    double, repeat = load_questions("livecodebench", data=path)
    assert read_tests(double.data) == Cases(None, [Case("1", "2"), Case("5", "10")], 6.0)
    assert "def repeat(self, words: List[str], n: int)" in repeat.text
    try:
        scorer = CodeScorer(choose_sandbox("bubblewrap"))
    except UsageError as error:
        pytest.skip(str(error))
    right = "```python\nclass Solution:\n    def repeat(self, words: List[str], n):\n        return words * n\n```"
    assert (await scorer.score(double, "```python\nprint(int(input()) * 2)\n```")).score == 1.0
    assert (await scorer.score(double, "```python\nprint(2)\n```")).note == "test 2 of 2: wrong answer"
    assert (await scorer.score(repeat, right)).score == 1.0
    assert (await scorer.score(repeat, right.replace("* n", "* 2"))).note == "test 2 of 2: wrong answer"


def test_large_tests_stay_in_their_file(tmp_path: Path) -> None:
    text = case_text(*((os.urandom(50).hex(), str(n)) for n in range(2_000)), kind="stdin")
    large = raw_row("large", private_test_cases=base64.b64encode(zlib.compress(pickle.dumps(text))).decode())
    path = write(tmp_path / "rows.jsonl", raw_row("first", question_content="Ünïcödé"), large, raw_row("last"))
    question = load_questions("livecodebench", data=path)[1]
    assert len(json.dumps(question.data)) < 1_000
    tests = read_tests(question.data)
    assert isinstance(tests, Cases)
    assert [case.output for case in tests.cases[1:]] == [str(n) for n in range(2_000)]


def test_the_two_sets_are_never_confused(tmp_path: Path) -> None:
    for number in range(1, 7):
        write(tmp_path / f"test{number if number > 1 else ''}.jsonl", raw_row(f"q{number}"))
    assert [question.id for question in RELEASE_V6.load(selection(tmp_path))] == [f"q{n}" for n in range(1, 7)]
    assert [question.id for question in NEW_IN_V6.load(selection(tmp_path))] == ["q6"]
    with pytest.raises(UsageError, match=r"livecodebench-v6-new is test6\.jsonl together; found: test5\.jsonl"):
        NEW_IN_V6.load(selection(tmp_path / "test5.jsonl"))
    (tmp_path / "test3.jsonl").unlink()
    with pytest.raises(UsageError, match=r"livecodebench is test\.jsonl, .* found: test\.jsonl, test2\.jsonl, test4"):
        RELEASE_V6.load(selection(tmp_path))


def selection(path: Path) -> Any:
    from selfagg.benchmarks.base import Selection

    return Selection(data=path)


def test_both_have_the_sizes_that_they_are_known_by() -> None:
    assert (RELEASE_V6.size, NEW_IN_V6.size) == (1055, 175)
    assert RELEASE_V6.hub is not None
    assert NEW_IN_V6.hub is not None
    assert RELEASE_V6.hub.revision == NEW_IN_V6.hub.revision
    assert len(RELEASE_V6.hub.revision) == 40
    assert NEW_IN_V6.hub.files == RELEASE_V6.hub.files[-1:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("{", "rows.jsonl, line 1, column 2: not valid JSON"),
        ("[1]", "rows.jsonl, line 1: each row must be an object"),
        ('{"question_id": "a"}', "rows.jsonl, line 1: there is no column"),
        (json.dumps(raw_row("a", public_test_cases="{")), "line 1: the column 'public_test_cases' is no JSON list"),
        (json.dumps(raw_row("a", metadata="[")), "line 1: the column 'metadata' is not valid JSON"),
        ((json.dumps(raw_row("a")) + "\n") * 2, "line 2: the id 'a' is taken already by rows.jsonl, line 1"),
    ],
)
def test_broken_files_are_refused_with_their_place(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        RELEASE_V6.load(selection(path))
