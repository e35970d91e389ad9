from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.scoring.base import first_equal
from selfagg.scoring.text import TextScorer, text_key
from selfagg.types import Question


@pytest.mark.parametrize(
    ("gold", "text", "answer", "score"),
    [
        ("Paris", "Paris", "Paris", 1.0),
        ("Paris", "  paris\n", "paris", 1.0),
        ("New York", "<answer>new\n  york</answer>", "new\n  york", 1.0),
        ("ﬁne", "fine", "fine", 1.0),
        ("Paris", "<answer>Rome</answer> no, <answer>Paris</answer>", "Paris", 1.0),
        ("Paris", "It is Paris", "It is Paris", 0.0),
        ("Paris", " \n", None, 0.0),
        ("Paris", "<answer>**Paris**</answer>", "**Paris**", 1.0),
        ("`ls`", "<answer>`ls`</answer>", "`ls`", 1.0),
        (None, "Paris", "Paris", None),
    ],
)
async def test_score(gold: str | None, text: str, answer: str | None, score: float | None) -> None:
    verdict = await TextScorer().score(Question("q", "?", gold=gold), text)
    assert (verdict.answer, verdict.score) == (answer, score)


async def test_same() -> None:
    assert await TextScorer().same(Question("q", "?"), ["a b", "c", "A  B", "C"]) == [0, 1, 0, 1]


@given(st.lists(st.sampled_from("abc")))
def test_first_equal_points_at_the_first(keys: list[str]) -> None:
    assert first_equal(keys) == [keys.index(key) for key in keys]


@given(st.text())
def test_key_ignores_case_and_space(text: str) -> None:
    assert text_key(f"  {text}\n") == text_key(text)


PARTS = Question("q", "?", gold="A 7-3, B 2+2", data={"parts": ["A", "B"]})


@pytest.mark.parametrize(
    ("text", "answer", "score"),
    [
        ("A try 7-3=4\nA good 7-3\nB good 2+2", "A 7-3, B 2+2", 1.0),
        ("B: 2+2\nA: 7-3", "A 7-3, B 2+2", 1.0),
        ("A good 7+3\nA good 7-3\nB good 2+2", "A 7-3, B 2+2", 1.0),
        ("A good 7-3\nA good 7+3\nB good 2+2", "A 7+3, B 2+2", 0.0),
        ("A good 7-3", "A 7-3", 0.0),
        ("A good 7-3\nB", "A 7-3", 0.0),
        ("A 7-3\nC 1\nB 2+2", "A 7-3, B 2+2", 1.0),
        ("no part here", None, 0.0),
    ],
)
async def test_the_last_line_of_each_part_counts(text: str, answer: str | None, score: float) -> None:
    verdict = await TextScorer().score(PARTS, text)
    assert (verdict.answer, verdict.score) == (answer, score)
