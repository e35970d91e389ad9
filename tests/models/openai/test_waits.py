"""How long a server asks to be left alone, as each of them says it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.models.openai.waits import asked_wait, wait_in_words

DATE = "Sat, 28 Nov 2026 00:00:00 GMT"
NOON = int(datetime(2026, 11, 28, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "inf"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "20s"}, 20.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 01 Jan 2037 00:00:00 +99999999999999"}, 0.0),
        ({"Date": DATE, "Retry-After": "Sat, 28 Nov 2026 00:01:30 GMT"}, 90.0),
        ({"Date": DATE, "Retry-After": str(NOON + 15)}, 15.0),
        ({"x-ratelimit-reset-requests": "1m20s", "x-ratelimit-remaining-requests": "0"}, 80.0),
        (
            {
                "x-ratelimit-reset-requests": "24h0m0s",
                "x-ratelimit-remaining-requests": "99",
                "x-ratelimit-reset-tokens": "7.66s",
                "x-ratelimit-remaining-tokens": "0",
            },
            7.66,
        ),
        ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"Date": DATE, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str((NOON + 30) * 1000)}, 30.0),
        ({"Date": DATE, "anthropic-ratelimit-requests-reset": "2026-11-28T00:00:45Z"}, 45.0),
        ({"RateLimit-Reset": "12"}, 12.0),
        ({"x-ratelimit-limit-requests": "60"}, 0.0),
    ],
)
def test_headers(headers: dict[str, str], seconds: float) -> None:
    assert asked_wait(headers, {}, "") == pytest.approx(seconds)


def test_a_date_without_the_servers_clock() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < asked_wait({"retry-after": date}, {}, "") <= 100


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"retrydelay": "42s"}, 42.0),
        ({"retrydelay": "1.5s"}, 1.5),
        ({"estimated_time": 20.0}, 20.0),
        ({"retry_after": 7}, 7.0),
        ({"retry_after_ms": 250}, 0.25),
        ({"retry_after": "later"}, 0.0),
    ],
)
def test_fields(fields: dict[str, object], seconds: float) -> None:
    assert asked_wait({}, fields, "") == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 1m20.5s. Visit https://x.invalid/60s", 80.5),
        ("Rate limit exceeded: free-models-per-day. Try again in 50m.", 3000.0),
        ("You exceeded your current quota. Please retry in 41.90s.", 41.9),
        ("Please retry after 20 seconds.", 20.0),
        ("retry after 30", 30.0),
        ("Please wait 350ms before the next call", 0.35),
        ("Try again in 2 hours and 3 minutes", 7380.0),
        ("Please try again in 7m12s", 432.0),
        ("limit resets in 1 day", 86_400.0),
        ("Limit 6000, Used 5900, Requested 500", 0.0),
        ("try again later", 0.0),
        ("we will try again with 4o-mini", 0.0),
    ],
)
def test_words(words: str, seconds: float) -> None:
    assert wait_in_words(words) == pytest.approx(seconds)


def test_a_header_goes_before_the_body_and_the_body_before_words() -> None:
    words = "try again in 9s"
    assert asked_wait({"retry-after": "3"}, {"retrydelay": "6s"}, words) == 3.0
    assert asked_wait({"x-ratelimit-reset": "3"}, {"retrydelay": "6s"}, words) == 6.0
    assert asked_wait({"x-ratelimit-reset": "3"}, {}, words) == 9.0


@given(st.text(), st.text(), st.text())
def test_whatever_is_said_is_a_number_that_can_be_waited(header: str, field: str, words: str) -> None:
    wait = asked_wait({"retry-after": header, "date": field}, {"retrydelay": field}, words)
    assert 0.0 <= wait < float("inf")
