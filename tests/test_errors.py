"""The classes of errors: what each is caught as, and the exit code it gives."""

from __future__ import annotations

import pytest

from selfagg.errors import ContextOverflow, ModelError, RunStopped, SelfaggError, TooLong, UsageError


@pytest.mark.parametrize(
    ("error", "bases", "code"),
    [
        (UsageError("x"), {UsageError}, 2),
        (TooLong("x"), {TooLong, UsageError}, 2),
        (ModelError("x"), {ModelError}, 1),
        (ContextOverflow("x"), {ContextOverflow, ModelError}, 1),
        (RunStopped("x"), {RunStopped}, 1),
    ],
)
def test_what_an_error_is(error: SelfaggError, bases: set[type], code: int) -> None:
    kinds = (UsageError, TooLong, ModelError, ContextOverflow, RunStopped)
    assert {kind for kind in kinds if isinstance(error, kind)} == bases
    assert (str(error), error.exit_code) == ("x", code)


def test_a_failed_call_says_how_it_failed() -> None:
    plain = ModelError("x")
    assert (plain.tries, plain.fatal, plain.gone, plain.status, plain.wait_s) == (1, False, False, None, 0.0)
    told = ContextOverflow("x", tries=3, fatal=True, gone=True, status=503, wait_s=2.5)
    assert (told.tries, told.fatal, told.gone, told.status, told.wait_s) == (3, True, True, 503, 2.5)
    assert (RunStopped("x").fatal, RunStopped("x", fatal=True).fatal) == (False, True)
