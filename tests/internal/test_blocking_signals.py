import signal

import pytest

from selfagg._internal.blocking import heard_by


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_by_nobody_else_and_then_by_whom_it_was(number: signal.Signals) -> None:
    outside: list[int] = []
    inside: list[int] = []
    with heard_by(lambda heard, _: outside.append(heard)):
        with heard_by(lambda heard, _: inside.append(heard)):
            signal.raise_signal(number)
        with heard_by(signal.SIG_IGN):
            signal.raise_signal(number)
        assert (outside, inside) == ([], [number])
        signal.raise_signal(number)
    assert (outside, inside) == ([number], [number])


def test_signals_that_are_not_named_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    with heard_by(signal.SIG_IGN, signal.SIGTERM):
        assert signal.getsignal(signal.SIGINT) is before
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
