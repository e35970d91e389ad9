"""Gold answers are scored in two spellings; what cannot be checked is counted."""

from __future__ import annotations

import json
from pathlib import Path

from selfagg.benchmarks import load_questions
from selfagg.benchmarks.validate import Failure, Validation, validate
from selfagg.types import Question


async def test_a_wrong_gold_answer_is_found(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    rows = [
        {"question": "1 + 1?", "answer": "2", "kind": "math"},
        {"question": "Which?", "answer": "everything", "kind": "choice"},
        {"question": "Who knows?"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    validation = await validate(load_questions(str(path)))
    assert validation.right == 1
    assert [f.question.id for f in validation.failures] == ["q-2"]
    assert [q.id for q in validation.unstated] == ["q-3"]


def question(name: str, gold: str | None, kind: str = "math", **more: object) -> Question:
    return Question(name, "?", kind, gold=gold, **more)  # type: ignore[arg-type]


async def test_words_as_a_mathematical_answer_are_told_and_long_ones_fail() -> None:
    found = await validate([question("even", "even"), question("text", r"\text{two primes}"), question("one", "1")])
    assert (found.right, found.failures) == (3, ())
    assert [one.id for one in found.worded] == ["even", "text"]
    long = "all of the numbers that are neither prime nor divisible by a square"
    found = await validate([question("long", long)])
    [failure] = found.failures
    assert (failure.question.id, failure.response, failure.score) == ("long", long, None)
    assert failure.note.startswith("its gold answer is read neither as mathematics nor as words")


async def test_programming_problems_without_a_solution_are_counted_with_their_tests() -> None:
    cases = {"format": "stdin", "cases": [["1", "2"], ["2", "4"]]}
    check = {"format": "check", "prompt": "", "test": "", "function": "f"}
    found = await validate(
        [question("a", None, "code", data=cases), question("b", None, "code", data=check), question("c", None, "code")]
    )
    assert (found.right, found.tests) == (0, (2, 1))
    assert [one.id for one in found.unstated] == ["a", "b", "c"]
    assert [(one.question.id, one.score, "unknown format None" in one.note) for one in found.failures] == [
        ("c", None, True)
    ]


def test_something_must_be_checked_and_nothing_fail() -> None:
    failure = Failure(question("q", "5"), r"\boxed{5}", 0.0, "a note")
    assert not Validation(0, (), (question("q", None),)).valid
    assert Validation(1, (), ()).valid
    assert Validation(0, (), (), tests=(3,)).valid
    assert not Validation(1, (failure,), ()).valid
    assert Validation(4, (failure,), (question("u", None),), (question("w", "words"),), (2, 3)).to_dict() == {
        "valid": False,
        "right": 4,
        "failures": [{"question": "q", "score": 0.0, "note": "a note", "response": r"\boxed{5}"}],
        "unstated": 1,
        "worded": ["w"],
        "problems_with_tests": 2,
        "tests": 5,
    }
