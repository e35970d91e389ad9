"""Trying again: how often, how long, and what ends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import RetryCallState

from selfagg.errors import ModelError
from selfagg.models.retries import Passing


class Failing:
    """A call that fails with these errors, one after another, and then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


QUICK = RetryPolicy(tries=3, first_s=0.001, longest_s=0.001)


async def test_it_counts_the_tries() -> None:
    assert await QUICK.run(Failing()) == ("done", 1)
    assert await QUICK.run(Failing(Passing("a"), Passing("b"))) == ("done", 3)


async def test_the_last_failure_is_the_one_told() -> None:
    with pytest.raises(ModelError, match=r"^third \(given up after 3 tries\)$") as caught:
        await QUICK.run(Failing(Passing("first"), Passing("second"), Passing("third")))
    assert (caught.value.tries, caught.value.fatal) == (3, False)


async def test_what_cannot_pass_ends_it() -> None:
    call = Failing(Passing("a"), ModelError("for good", fatal=True), Passing("b"))
    with pytest.raises(ModelError, match="for good") as caught:
        await QUICK.run(call)
    assert (call.calls, caught.value.tries, caught.value.fatal) == (2, 2, True)


async def test_other_errors_go_through() -> None:
    with pytest.raises(KeyError):
        await QUICK.run(Failing(KeyError("bug")))


async def test_patience_bounds_the_waiting() -> None:
    call = Failing(Passing("a", wait_s=0.02), Passing("b", wait_s=5.0))
    with pytest.raises(ModelError, match="b") as caught:
        await RetryPolicy(tries=9, first_s=0.001, patience_s=1.0).run(call)
    assert (call.calls, caught.value.tries) == (2, 2)


@given(st.integers(1, 20), st.floats(0, 100))
def test_waits_double_within_bounds_and_add_to_what_the_server_asks(attempt: int, asked: float) -> None:
    retries = RetryPolicy(first_s=1.0, longest_s=30.0)
    state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]
    state.attempt_number = attempt
    state.set_exception((Passing, Passing("x", wait_s=asked), None))
    assert asked <= retries.wait(state) <= asked + min(30.0, 2.0 ** (attempt - 1))
