"""Rows of signs: one solution a row, the same questions from the same seed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.benchmarks import load_questions
from selfagg.benchmarks.sign_rows import Row, draw_row
from selfagg.errors import UsageError
from selfagg.scoring import scorer_for


def test_expressions_are_added_up() -> None:
    assert Row((7, 3, 1), 3).expressions == {"7+3+1": 11, "7+3-1": 9, "7-3+1": 5, "7-3-1": 3}
    assert Row((7, 3, 1), 3).solution == "7-3-1"


@given(st.integers())
def test_a_row_has_one_solution(seed: int) -> None:
    row = draw_row(random.Random(seed))
    assert row.target >= 0
    assert [text for text in row.expressions if sum(map(int, _terms(text))) == row.target] == [row.solution]


def _terms(expression: str) -> list[str]:
    return expression.replace("+", " +").replace("-", " -").split()


async def test_gold_answers_are_right_and_others_wrong() -> None:
    scorer = scorer_for("text")
    for question in load_questions("rows", size=20):
        gold = str(question.gold)
        right = gold.replace(", ", "\n")
        assert (await scorer.score(question, right)).score == 1.0
        first = right.splitlines()[0]
        assert (await scorer.score(question, right.replace(first, "A 1+1+1"))).score == 0.0


def test_questions_follow_from_the_data_seed() -> None:
    one, same, other = (load_questions("rows", size=5, data_seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert not {question.text for question in one} & {question.text for question in other}
    assert load_questions("rows", size=3, data_seed=1) == one[:3]
    assert len(load_questions("rows")) == 60


@pytest.mark.parametrize("size", [0, -1, "all"])
def test_a_size_that_cannot_be(size: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        load_questions("rows", size=size)
