"""Members, questions and configurations as rows of a record, and back."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from selfagg.record.rows import (
    GENERATION_COLUMNS,
    Generation,
    as_text,
    check_configuration,
    generation_row,
    member_of,
    numbers,
    places,
    question_body,
    question_of,
    question_row,
    score_row,
    set_fields,
    storable,
    usage_of,
)  # fmt: skip
from selfagg.types import Example, Member, Question, Reply, Sampling, Stop, Usage


def named(generation: Generation) -> dict[str, Any]:
    return dict(zip(GENERATION_COLUMNS.split(", "), generation_row(generation), strict=True))


def test_the_row_of_a_reply() -> None:
    reply = Reply("text", "thought", Stop.LENGTH, Usage(1, 2, 3, 4), (-0.5, 0.0), tries=3, seconds=1.5)
    generation = Generation(7, Member(2, 3, (4, 5), reply), "grade", "hash", 1, 9, 2.5, tries=8)
    assert named(generation).items() >= {
        "question": 7, "role": "grade", "t": 2, "i": 3, "parents": "[4, 5]", "prompt": "hash", "cut": 1, "seed": 9,
        "text": "text", "reasoning": "thought", "stop": Stop.LENGTH.value, "logprobs": "[-0.5, 0.0]", "error": None,
        "prompt_tokens": 1, "cached_tokens": 2, "completion_tokens": 3, "reasoning_tokens": 4, "started": 2.5,
        "seconds": 1.5, "tries": 3,
    }.items()  # fmt: skip


def test_the_row_of_a_failure() -> None:
    row = named(Generation(0, Member(1, 0, error="gone"), tries=8))
    assert all(row[name] is None for name in ("text", "reasoning", "stop", "logprobs"))
    assert (row["error"], row["tries"], row["seconds"], row["started"], row["role"]) == (
        "gone",
        8,
        0.0,
        0.0,
        "candidate",
    )
    assert (row["prompt"], row["cut"], row["seed"]) == ("", 0, 0)


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (Usage(1, 0, 2), (1, 0, 2, 0)),
        (Usage(0, 0, 0), (0, 0, 0, 0)),
        (Usage(10**12, 0, 0), (10**12, 0, 0, 0)),
        (Usage(10**12 + 1, 0, 0), (None,) * 4),
        (Usage(5, 0, -1), (None,) * 4),
        (Usage(unknown=1), (None,) * 4),
    ],
)
def test_tokens_that_no_reply_can_have_are_unknown(usage: Usage, told: tuple[int | None, ...]) -> None:
    row = named(Generation(0, Member(1, 0, reply=Reply("x", usage=usage))))
    columns = tuple(row[f"{name}_tokens"] for name in ("prompt", "cached", "completion", "reasoning"))
    assert columns == told
    assert usage_of(columns) == (usage if told[0] is not None else Usage(unknown=1))


def test_log_probabilities_of_no_token_are_some_and_of_nobody_are_none() -> None:
    for kept in ((), None):
        generation = Generation(0, Member(1, 0, reply=Reply("x", logprobs=kept, usage=Usage(1, 0, 1))))
        row = named(generation)
        again = member_of(
            ["candidate", 1, 0, "[]", "x", "", row["stop"], row["logprobs"], None, 1, 0, 1, 0, 0.0, 1, "a", 0.5]
        )
        assert again.reply is not None
        assert again.reply.logprobs == kept
        assert (again.answer, again.score, again.reply.tries) == ("a", 0.5, 1)


@pytest.mark.parametrize("text", ["{}", "[1.5]", "[true]", "[-1]", '["a"]', "3"])
def test_what_is_no_list_of_places(text: str) -> None:
    with pytest.raises(ValueError, match="is no list of places"):
        places(text)
    assert places("[0, 3]") == (0, 3)


@pytest.mark.parametrize("text", ["{}", "[true]", '["a"]', "[[1]]", "null"])
def test_what_is_no_list_of_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="is no list of numbers"):
        numbers(text)
    assert numbers("[1, -2.5]") == (1.0, -2.5)
    assert type(numbers("[1]")[0]) is float


def test_a_lone_surrogate_becomes_a_question_mark_and_all_else_stays() -> None:
    assert storable("a\ud800é") == "a?é"
    assert (storable("plain"), storable(7), storable(None)) == ("plain", 7, None)
    assert as_text({"b": "é\udfff", "a": 1}, sort_keys=True) == '{"a": 1, "b": "é?"}'
    assert as_text({"b": 1, "a": 2}) == '{"b": 1, "a": 2}'


def test_a_field_that_is_empty_by_default_is_left_out_and_one_that_is_not_stays() -> None:
    assert set_fields(Question("q", "?")) == {"id": "q", "text": "?", "kind": "text"}
    assert set_fields(Question("q", "?", gold="", instruction=""))["instruction"] == ""
    assert set_fields(Sampling(temperature=0.0)) == {"temperature": 0.0}
    assert set_fields(Sampling()) == {"temperature": 1.0}


FULL = Question(
    "q", "?", "math", "1", "box it", ({"role": "system", "content": "s"},), (Example("e", "r", "w"),), {"k": [1]},
    "group", {"role": "user", "content": "?"}, ({"role": "assistant", "content": "a"},),
)  # fmt: skip


def test_a_question_comes_back_and_equal_ones_read_alike() -> None:
    assert question_of(question_body(FULL)) == FULL
    assert question_of(question_body(Question("q", "?"))) == Question("q", "?")
    assert list(json.loads(question_body(FULL))) == sorted(json.loads(question_body(FULL)))
    assert question_row(4, Question("q\ud800", "?")) == (4, "q?", question_body(Question("q\ud800", "?")))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "nothing"}, {"id": 3}, {"text": None}, {"group": 1}, {"gold": 1}, {"instruction": 1}, {"data": []},
        {"context": ["x"]}, {"after": ["x"]}, {"turn": "x"}, {"examples": [{"text": 1, "right": "r"}]},
        {"examples": [{"text": "e", "right": 1}]}, {"examples": [{"text": "e", "right": "r", "wrong": 1}]},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_question(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is no question"):
        question_of(json.dumps(json.loads(question_body(FULL)) | wrong))


@pytest.mark.parametrize("score", [1.5, -0.1, math.nan])
def test_a_score_out_of_bounds_is_noted_and_not_kept(score: float) -> None:
    row = score_row(3, Member(2, 1, answer="a", score=score), "slow")
    assert row == (3, 2, 1, "a", None, f"slow; the scorer gave {score}, which is no score from 0 to 1")
    assert score_row(3, Member(2, 1, score=score), "")[5] == f"the scorer gave {score}, which is no score from 0 to 1"


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0, None])
def test_a_score_from_nought_to_one_is_kept(score: float | None) -> None:
    assert score_row(3, Member(2, 1, answer="a", score=score), "note") == (3, 2, 1, "a", score, "note")


RUN = {
    "method": {"name": "rsa", "n": 4, "t": 1}, "model": "m", "seed": 0, "source": "file", "candidate": "response",
    "sampling": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"method": None}, "without a method"),
        ({"method": {"n": 4, "t": 1}}, "without a method"),
        ({"method": {"name": "rsa", "n": 0, "t": 1}}, "without n and t"),
        ({"method": {"name": "rsa", "n": 4, "t": 0}}, "without n and t"),
        ({"method": {"name": "rsa", "n": 4}}, "without n and t"),
        ({"method": {"name": "rsa", "n": True, "t": 1}}, "without n and t"),
        ({"model": None}, "a wrong model"), ({"seed": "1"}, "a wrong seed"), ({"source": 1}, "a wrong source"),
        ({"candidate": 1}, "a wrong candidate"), ({"sampling": []}, "a wrong sampling"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_configuration(wrong: dict[str, Any], said: str) -> None:
    check_configuration(RUN)
    with pytest.raises(ValueError, match=said):
        check_configuration(RUN | wrong)
