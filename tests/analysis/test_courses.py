"""The courses of questions, as recorded by hand and as drawn by r_c."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.analysis.courses import NOBODY, RIGHT, CourseDraws, read
from selfagg.analysis.statistics import Counts
from selfagg.record.record import Record
from selfagg.run.stopping import is_copied

Write = Callable[..., Record]
FLAT = {"name": "rsa", "n": 4, "k": 2, "t": 2}


def test_what_is_read_of_each_member(write: Write) -> None:
    found = read(write([["Rab-", "bR!~"]], method=FLAT))
    assert found.same.tolist() == [[[0, 1, 2, NOBODY], [0, 1, NOBODY, 3]]]
    assert found.right.tolist() == [[[1, 0, 0, 0], [0, 1, 0, 0]]]
    first, second = found.answers[0].tolist()
    assert first == [RIGHT, first[1], first[2], NOBODY]
    assert second[:3] == [first[2], RIGHT, NOBODY]  # b is one answer in both populations
    assert len({RIGHT, NOBODY, first[1], first[2], second[3]}) == 5
    assert found.calls.tolist() == [[[1] * 4, [1] * 4]]
    assert found.tokens[0, 0].tolist() == [110, 111, 112, 113]
    assert found.tokens[0, 1, :3].tolist() == [220, 221, 0]  # a call that failed takes none
    assert np.isnan(found.tokens[0, 1, 3])


def test_the_recorded_course(write: Write) -> None:
    courses = read(write([["RRab", "abab"], ["----", "aRR-"]], method=FLAT)).courses()
    assert courses.n == 4
    assert courses.leading.tolist() == [[[2, 2]], [[0, 2]]]
    assert courses.voted.tolist() == [[[1, 0]], [[0, 1]]]  # of equal groups the earliest; nobody's vote is a drawn one
    assert courses.sampled.tolist() == [[[0.5, 0]], [[0, 0.5]]]
    assert courses.calls.tolist() == [[[4, 4]], [[4, 4]]]


def test_right_is_unknown_where_nothing_is_scored(write: Write) -> None:
    courses = read(write([["aa", "??"]], method=FLAT | {"n": 2})).courses()
    assert courses.sampled[0, 0, 0] == 0
    assert np.isnan(courses.sampled[0, 0, 1])
    assert np.isnan(courses.voted[0, 0, 1])


@pytest.fixture
def drawn(write: Write) -> CourseDraws:
    sets = [[[0, 1], [2, 3], [0, 2], [1, 3]]]
    questions = [["RRRR", "RRRR"], ["aaaa", "aaaa"], ["RRaa", "RaRa"]] * 4
    record = write(questions, parents=[sets] * 12, method=FLAT)
    return CourseDraws(record, read(record), 50)


def test_populations_are_drawn_of_the_size_that_is_asked(drawn: CourseDraws) -> None:
    courses = drawn.courses(3, copy=False)
    assert (courses.n, courses.leading.shape) == (3, (12, 50, 2))
    assert courses.calls.tolist() == [[[3, 3]] * 50] * 12
    assert courses.sampled[0, :, 0].tolist() == [1] * 50  # first samples are the recorded ones
    assert courses.sampled[1, :, 0].tolist() == [0] * 50
    assert 0.3 < courses.sampled[2::3, :, 1].mean() < 0.7  # recorded: 2 of 4
    same = drawn.courses(3, copy=False)
    assert np.array_equal(same.sampled, courses.sampled)


def test_sets_of_one_answer_are_copied_without_a_call(drawn: CourseDraws) -> None:
    courses = drawn.courses(4, copy=True)
    assert courses.calls[0].tolist() == courses.calls[1].tolist() == [[4, 0]] * 50
    assert courses.sampled[0].tolist() == [[1, 1]] * 50
    assert courses.sampled[1].tolist() == [[0, 0]] * 50
    assert 0 < courses.calls[2, :, 1].mean() < 4  # a set of R and a is asked about
    assert courses.tokens[0, :, 1].tolist() == [0] * 50


@given(st.lists(st.lists(st.sampled_from([NOBODY, RIGHT, 1, 2]), min_size=3, max_size=3), min_size=1, max_size=5))
def test_sets_are_copied_by_the_engines_own_rule(sets: list[list[int]]) -> None:
    from selfagg.analysis.courses import _copied

    candidates: Counts = np.array(sets)
    expected = [is_copied([None if answer == NOBODY else answer for answer in one]) for one in sets]
    assert _copied(candidates).tolist() == expected
