"""Which failures may pass, and how long to wait after them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.models.retries import RetryPolicy, TransientError, patient


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
    assert patient(None) == RetryPolicy()
    assert patient(0.0) == RetryPolicy(patience_s=0.0)
