"""`solve` with arguments that cannot be meant: one sentence, before any call."""

import math
import re
from typing import Any

import pytest

import selfagg
from selfagg.errors import UsageError
from selfagg.models.simulated import SimulatedModel
from selfagg.types import Sampling


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
        ({"concurrency": 0}, "concurrency is 0, but it must be at least 1"),
        ({"concurrency": -1}, "concurrency is -1, but it must be at least 1"),
        ({"max_total_tokens": 0}, "max_total_tokens is 0, but it must be at least 1"),
        ({"max_total_tokens": -5}, "max_total_tokens is -5, but it must be at least 1"),
        ({"deadline_s": -1}, "deadline_s is -1, but it must be a number from 0"),
        ({"deadline_s": math.nan}, "deadline_s is nan, but it must be a number from 0"),
        ({"deadline_s": math.inf}, "deadline_s is inf, but it must be a number from 0"),
        ({"deadline_s": "5"}, "deadline_s is '5', but it must be a number"),
        ({"sampling": Sampling(max_tokens=0)}, "max_tokens is 0, but it must be at least 1"),
        ({"sampling": Sampling(max_tokens=1.5)}, "max_tokens is 1.5, but it must be a whole number"),  # type: ignore[arg-type]
        ({"sampling": Sampling(temperature=-1)}, "temperature is -1, but it must be a number from 0"),
        ({"sampling": Sampling(temperature=math.nan)}, "temperature is nan"),
        ({"sampling": Sampling(temperature=None)}, "temperature is None, but it must be a number"),  # type: ignore[arg-type]
        ({"sampling": Sampling(top_p=1.5)}, "top_p is 1.5, but it must be from 0 to 1"),
        ({"model": None}, "the model must be a name, as 'local' or 'openai:NAME', or an open connection; it is None"),
        ({"model": 3}, "it is of type int"),
        ({"model": SimulatedModel}, "it is of type type"),
        ({"question": None}, "must be text or a Question, not NoneType"),
        ({"question": b"2 + 2"}, "must be text or a Question, not bytes"),
        ({"question": "\ud800"}, "half a surrogate pair"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(wrong: dict[str, Any], complaint: str) -> None:
    given: dict[str, Any] = {"question": "2 + 2?", "model": "simulated:", "n": 2, "k": 1, "t": 1} | wrong
    with pytest.raises(UsageError, match=re.escape(complaint)):
        selfagg.solve(**given)
