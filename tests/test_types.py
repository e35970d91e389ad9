"""Tokens added up, and what a member says of itself."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.types import KINDS, Kind, Member, Reply, Stop, Usage

usages = st.builds(Usage, *[st.integers(0, 10**9)] * 5)


@given(usages, usages, usages)
def test_tokens_add_up_in_any_order(a: Usage, b: Usage, c: Usage) -> None:
    assert a + (b + c) == (c + a) + b
    assert a + Usage() == a
    assert (a + b).total == a.total + b.total
    assert (a + b).unknown == a.unknown + b.unknown


def test_a_budget_counts_prompt_and_completion_and_nothing_twice() -> None:
    assert Usage(prompt=7, cached=5, completion=3, reasoning=2, unknown=9).total == 10


@pytest.mark.parametrize(("score", "right"), [(None, False), (0.0, False), (0.999, False), (1.0, True)])
def test_a_member_is_right_by_full_score_alone(score: float | None, right: bool) -> None:
    assert Member(1, 0, reply=Reply("x"), score=score).right is right


@pytest.mark.parametrize(
    ("reply", "text", "copied"),
    [(None, "", False), (Reply("x"), "x", False), (Reply("x", tries=2), "x", False), (Reply("x", tries=0), "x", True)],
)
def test_a_reply_without_a_try_is_a_copy(reply: Reply | None, text: str, copied: bool) -> None:
    member = Member(2, 1, (0, 3), reply)
    assert (member.text, member.copied) == (text, copied)


def test_replies_are_equal_whatever_the_server_said_beside_them() -> None:
    assert Reply("x", choice={"index": 0}) == Reply("x", choice=None)
    assert "index" not in repr(Reply("x", choice={"index": 0}))


def test_the_names_that_records_hold() -> None:
    assert get_args(Kind) == KINDS == ("math", "choice", "reasoning_gym", "code", "text")
    assert [stop.value for stop in Stop] == ["finished", "length", "filtered", "unknown"]
