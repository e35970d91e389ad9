"""`solve` with arguments that cannot be meant: one sentence, before any call."""

import re
from typing import Any

import pytest

import selfagg
from selfagg.errors import UsageError


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"kind": "maths"}, "kind is 'maths', but it must be one of math, choice"),
        ({"answer": "best"}, "answer is 'best', but it must be one of sample, majority"),
        ({"schedule": "lockstep"}, "schedule is 'lockstep', but it must be one of free, stepwise"),
        ({"n": "4"}, "n is '4', but it must be a whole number"),
        ({"t": 2.0}, "t is 2.0, but it must be a whole number"),
        ({"n": True}, "n is True, but it must be a whole number"),
        ({"seed": None, "concurrency": 1.5}, "concurrency is 1.5"),
        ({"concurrency": 0}, "concurrency is 0, but at least 1"),
        ({"concurrency": -1}, "concurrency is -1, but at least 1"),
        ({"question": None}, "must be text or a Question, not NoneType"),
        ({"question": b"2 + 2"}, "must be text or a Question, not bytes"),
        ({"question": "\ud800"}, "half a surrogate pair"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(wrong: dict[str, Any], complaint: str) -> None:
    given: dict[str, Any] = {"question": "2 + 2?", "model": "simulated:", "n": 2, "k": 1, "t": 1} | wrong
    with pytest.raises(UsageError, match=re.escape(complaint)):
        selfagg.solve(**given)
