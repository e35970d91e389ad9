"""What an adapter learns is honest: totals are true, verdicts follow, and rows travel."""

from __future__ import annotations

import random

from examples.rows.lessons import Attempt, Mix, candidate, honest, lesson, response, written
from hypothesis import given
from hypothesis import strategies as st

from selfagg.benchmarks.sign_rows import Row, draw_row
from selfagg.prompts.wording import Wording

ROW = Row((7, 3, 1), 3)
RIGHT = honest(ROW, "7-3-1")


def answer(*seen: Attempt) -> set[str]:
    return {response([ROW], [[one] for one in seen], random.Random(seed))[0].expression for seed in range(50)}


def test_a_right_row_is_taken_over() -> None:
    assert answer(honest(ROW, "7+3+1"), RIGHT, honest(ROW, "7+3-1")) == {"7-3-1"}


def test_a_row_that_no_candidate_has_right_is_tried_afresh() -> None:
    assert answer(honest(ROW, "7+3+1"), honest(ROW, "7+3-1")) == {"7-3+1", "7-3-1"}


def test_a_lie_is_found_out() -> None:
    claimed = Attempt("7+3+1", 3, good=True)
    (told,) = response([ROW], [[claimed]], random.Random(0))
    assert (told.expression, told.total, told.good) == ("7+3+1", 11, False)
    assert answer(claimed, RIGHT) == {"7-3-1"}


@given(st.integers())
def test_responses_state_true_totals_and_verdicts(seed: int) -> None:
    drawn = random.Random(seed)
    rows = [draw_row(drawn) for _ in range(3)]
    candidates = [candidate(rows, 0.4, 0.5, drawn) for _ in range(2)]
    for row, attempt in zip(rows, response(rows, candidates, drawn), strict=True):
        assert attempt == honest(row, attempt.expression)


def test_candidates_lie_as_often_as_asked() -> None:
    drawn = random.Random(1)
    rows = [ROW] * 4
    told = [attempt for _ in range(500) for attempt in candidate(rows, 0.5, 0.1, drawn)]
    lies = sum(attempt != honest(ROW, attempt.expression) for attempt in told)
    assert 150 < lies < 250


def test_a_lesson_follows_from_its_random_numbers_and_holds_its_facts() -> None:
    for seed in range(50):
        one, same = (lesson(random.Random(seed), Mix(), Wording()) for _ in range(2))
        assert one == same
        assert all(fact in one.messages[-1]["content"] for fact in one.facts)


def test_the_two_lines_of_a_row() -> None:
    assert written([RIGHT, honest(ROW, "7+3-1")]) == "A try 7-3-1=3\nA good 7-3-1\nB try 7+3-1=9\nB bad 7+3-1"
