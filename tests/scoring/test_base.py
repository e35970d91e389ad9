"""Votes: groups of equal answers, the largest and then the earliest first."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.scoring import majority, scorer_for
from selfagg.types import Member, Question

QUESTION = Question("q", "?")


def members(*answers: str | None) -> list[Member]:
    return [Member(1, i, answer=answer) for i, answer in enumerate(answers)]


async def places(*answers: str | None) -> list[list[int]]:
    groups = await majority(scorer_for("text"), QUESTION, members(*answers))
    return [[member.i for member in group] for group in groups]


@pytest.mark.parametrize(
    ("answers", "groups"),
    [
        (("a", "b", "b"), [[1, 2], [0]]),
        (("a", "b"), [[0], [1]]),
        (("b", "a", "a", "b"), [[0, 3], [1, 2]]),
        ((None, "a", None), [[1]]),
        ((None, None), []),
        ((), []),
    ],
)
async def test_groups(answers: tuple[str | None, ...], groups: list[list[int]]) -> None:
    assert await places(*answers) == groups


async def test_of_the_largest_groups_the_one_with_the_earliest_member_is_first() -> None:
    groups = await majority(scorer_for("text"), QUESTION, members("c", "b", "a", "A", "B"))
    assert groups[0][0].i == 1


async def test_math_votes_by_equality_and_puzzles_do_not() -> None:
    for kind, sizes in (("math", [2]), ("reasoning_gym", [1, 1])):
        groups = await majority(scorer_for(kind), Question("q", "?", kind=kind), members("1/2", "0.5"))  # type: ignore[arg-type]
        assert [len(group) for group in groups] == sizes


@given(st.lists(st.none() | st.sampled_from("abcd"), max_size=12))
async def test_groups_partition_the_voters(answers: list[str | None]) -> None:
    groups = await places(*answers)
    assert sorted(i for group in groups for i in group) == [i for i, answer in enumerate(answers) if answer]
    assert [(-len(group), group[0]) for group in groups] == sorted((-len(group), group[0]) for group in groups)
    votes = Counter(answer for answer in answers if answer)
    assert [len(group) for group in groups] == sorted(votes.values(), reverse=True)
