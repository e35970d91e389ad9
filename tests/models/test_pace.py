"""What one server's pace learns from answers and refusals; no clock but the numbers given."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.models.openai import OpenAIModel
from selfagg.models.pace import FAULTS_IN_A_ROW, Pace, RetryPolicy, TransientError

LIMIT = TransientError("too many", status=429)
FAULT = TransientError("fault", status=500)


def pace(*starts: float) -> Pace:
    """A pace with calls in flight, by number, that began at these times."""
    made = Pace(RetryPolicy())
    for number, start in enumerate(starts):
        made.start(number, start)
    return made


def test_nothing_is_limited_before_a_refusal() -> None:
    one = pace(*[0.0] * 300)
    assert (one.limit, one.full, one.opens_at) == (math.inf, False, 0.0)
    one.answered(7)
    assert one.limit == math.inf


def test_a_burst_of_refusals_leaves_what_the_server_still_works_on() -> None:
    one = pace(*[0.0] * 32)
    for number in range(24):
        one.failed(number, LIMIT, 0.1)
    assert (one.limit, one.full) == (8, True)


def test_a_rare_refusal_lowers_the_limit_a_little_and_pauses_nobody() -> None:
    one = pace(*[0.0] * 100)
    assert not one.failed(0, LIMIT, 1.0)
    assert (one.limit, one.closed_until) == (96, 0.0)


def test_refusals_in_a_row_pause_everybody_and_lower_the_limit_by_up_to_half() -> None:
    one, limits = pace(*[0.0] * 100), []
    for number in range(5):
        closed = one.failed(number, LIMIT, 1.0)
        one.start(number, 2.0 + number)  # it is refused again: others are at work all the time
        limits.append(one.limit)
    assert closed
    assert limits[0] == 96
    before = one.limit
    for number in range(60):
        one.start(f"late {number}", 60.0)
    one.failed("late 0", LIMIT, 61.0)
    assert one.limit < 0.9 * before
    lowered = one.limit
    one.failed("late 1", LIMIT, 61.0)  # it began before the last closing: no further news
    assert one.limit == lowered


def test_the_limit_rises_fast_to_what_was_held_and_carefully_above() -> None:
    one = pace(*[0.0] * 16)
    for number in range(8):
        one.failed(number, LIMIT, 1.0)
    one.limit = 4  # as after refusals that came before
    limits = [one.limit]
    for number in range(8, 16):  # those in flight end, and others begin
        one.answered(number)
        one.start(number, 10.0)
        limits.append(one.limit)
    assert limits == [4, 5, 6, 7, 8, 8, 8, 8, 8]
    for number in range(8, 12):  # a round is full
        one.answered(number)
        one.start(number, 10.0)
    assert one.limit == 9


def test_a_limit_that_is_not_reached_does_not_rise() -> None:
    one = pace(*[0.0] * 9)
    one.failed(0, LIMIT, 1.0)
    for number in range(1, 7):
        one.answered(number)
    before = one.limit
    one.answered(7)
    assert (one.limit, len(one.flights)) == (before, 1)


def test_all_wait_as_long_as_the_server_says_and_a_little_more() -> None:
    one = pace(0.0, 0.0)
    assert one.failed(0, TransientError("wait", status=429, wait_s=40.0), 5.0)
    assert 45.5 <= one.closed_until <= 46.0


def test_calls_that_were_told_to_wait_come_back_at_different_times() -> None:
    moments = set()
    for _ in range(20):
        one = pace(0.0, 0.0)
        one.failed(0, TransientError("wait", status=429, wait_s=40.0), 5.0)
        assert one.closed_until > 45.0
        moments.add(one.closed_until)
    assert len(moments) == 20


def test_one_fault_closes_nothing_and_some_in_a_row_do() -> None:
    one = pace(*[0.0] * 9)
    assert [one.failed(number, FAULT, 1.0) for number in range(FAULTS_IN_A_ROW)] == [False] * 3 + [True]
    assert one.closed_until > 1.0
    assert one.limit == math.inf
    two = pace(*[0.0] * 20)
    for number in range(0, 6, 2):
        two.failed(number, FAULT, 1.0)
        two.answered(number + 1)
    assert not two.failed(6, FAULT, 1.0)


def test_pauses_grow_with_each_try_that_fails_and_not_with_each_call() -> None:
    one = pace(*[0.0] * 50)
    for number in range(50):
        one.failed(number, TransientError("gone", unreachable=True), 1.0)
    assert one.closed_until <= 2.0
    now = 2.0
    for number, longest in enumerate([2, 4, 8, 16, 30, 30], 100):
        one.start(number, now)
        one.failed(number, TransientError("gone", unreachable=True), now)
        assert longest / 2 <= one.closed_until - now <= longest
        now = one.closed_until
    one.start("back", now)
    one.answered("back")
    assert (one.closings, one.limit, one.opens_at) == (0, math.inf, now + 1.0)


def test_after_a_pause_calls_begin_one_after_the_other_until_one_is_answered() -> None:
    one = pace(0.0)
    one.failed(0, LIMIT, 0.0)
    one.start(1, one.closed_until)
    assert one.opens_at == one.closed_until + 1.0


def test_a_rate_is_learnt_from_a_refusal_of_a_lonely_call() -> None:
    """20 answers, then refusals with nothing at work, until an answer after 60 s: a call in 3 s."""
    one = pace(*[0.0] * 20)
    for number in range(20):
        one.answered(number)
    for now in (1.0, 3.0):
        one.start("refused", now)
        one.failed("refused", LIMIT, now)
    one.start("again", 60.0)
    one.answered("again")
    one.start("next", 60.0)
    assert one.opens_at == pytest.approx(63.0)
    one.answered("next")
    one.start("faster", 63.0)
    assert one.opens_at == pytest.approx(63.0 + 0.93 * 3.0)


def test_a_refusal_beside_others_is_no_rate() -> None:
    one = pace(*[0.0] * 20)
    one.failed(0, LIMIT, 1.0)
    for number in range(1, 20):
        one.answered(number)
    one.start("again", 60.0)
    one.answered("again")
    one.start("next", 60.0)
    assert one.opens_at == 60.0


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, LIMIT, FAULT])), max_size=200))
def test_there_is_always_room_for_one(events: list[tuple[int, TransientError | None]]) -> None:
    one, now = pace(*[0.0] * 10), 0.0
    for call, error in events:
        now += 0.5
        if error:
            one.failed(call, error, now)
        else:
            one.answered(call)
        one.start(call, now)
    assert one.limit >= 1
    assert one.closed_until <= now + 30.0


@pytest.mark.parametrize(
    ("error", "busy", "away"),
    [
        (TransientError("limit", status=429), True, False),
        (TransientError("loading", status=503), True, False),
        (TransientError("overloaded", status=529), True, False),
        (TransientError("a fault that names a wait", status=500, wait_s=3.0), True, False),
        (TransientError("refused", status=503, unreachable=True), False, True),
        (TransientError("bad gateway", status=502), False, True),
        (TransientError("fault", status=500), False, False),
        (TransientError("broken off"), False, False),
    ],
)
def test_a_server_is_busy_or_away_or_fails(error: TransientError, busy: bool, away: bool) -> None:
    assert (error.busy, error.away) == (busy, away)


@given(st.integers(1, 2000), st.floats(0, 100))
def test_pauses_double_within_bounds(failures: int, gap_s: float) -> None:
    longest = min(30.0, max(1.0, gap_s) * 2.0 ** min(failures - 1, 30))
    assert longest / 2 <= RetryPolicy().backoff(failures, at_least_s=gap_s) <= longest


def test_patience_has_a_default() -> None:
    def policy(patience_s: float | None) -> RetryPolicy:
        return OpenAIModel("m", base_urls=["http://host"], patience_s=patience_s).limiter.policy

    assert policy(None) == RetryPolicy()
    assert policy(0.0) == RetryPolicy(patience_s=0.0)


@pytest.mark.parametrize(
    ("error", "busy", "away"),
    [
        ({"status": 429}, True, False),
        ({"status": 503}, True, False),
        ({"status": 529}, True, False),
        ({"status": 500}, False, False),
        ({"status": 500, "wait_s": 0.5}, True, False),
        ({"status": 502}, False, True),
        ({"status": 504}, False, True),
        ({"status": 505}, False, False),
        ({"status": 503, "unreachable": True}, False, True),
        ({}, False, False),
    ],
)
def test_what_a_failure_says_of_the_server(error: dict[str, Any], busy: bool, away: bool) -> None:
    found = TransientError("it failed", **error)
    assert (found.busy, found.away) == (busy, away)


def test_a_failure_that_ends_a_call_keeps_its_words_and_the_longer_wait() -> None:
    one = TransientError("it failed", status=429, wait_s=7.0)
    final = one.final()
    assert (str(final), final.status, final.wait_s, final.gone, final.fatal) == ("it failed", 429, 7.0, False, False)
    later = one.final(" (given up)", gone=True, wait_s=9.0)
    assert (str(later), later.wait_s, later.gone) == ("it failed (given up)", 9.0, True)


def test_a_call_that_began_as_the_server_closed_is_news() -> None:
    one = pace(0.0, 1.0, 0.5)
    for number, closings in ((0, 1), (1, 2), (2, 2)):
        one.failed(number, TransientError("gone", unreachable=True), 1.0)
        assert one.closings == closings
