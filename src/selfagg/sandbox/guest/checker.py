"""Run a benchmark's own test, ``check(candidate)``, where the candidate lives in another sandbox.

The test and the program never share a process: the test sees plain values that came back (no object with an
``__eq__`` of its own), and the program sees the arguments of each call and nothing else.
"""

from __future__ import annotations

import json
import random
import sys
import traceback
from typing import Any

from selfagg.sandbox.guest.confine import begin, confine_program
from selfagg.sandbox.guest.messages import Channel, decode, encode


class CandidateError(Exception):
    """A call of the candidate gave no value: it raised, or ran past a limit."""


def main() -> None:
    """Serve one session: the test comes first, a message for each call goes out, the verdict comes last."""
    channel = Channel()
    limits = begin(channel)
    start = channel.receive()
    if start is None:
        return
    confine_program(limits)

    def candidate(*args: Any, **kwargs: Any) -> Any:
        channel.send({"args": encode(list(args)), "kwargs": encode(kwargs)})
        answer = channel.receive()
        if answer is None:
            sys.exit(1)
        if answer["error"] is not None:
            raise CandidateError(answer["error"])
        return decode(json.loads(answer["value"]))

    random.seed(0)  # some tests draw their inputs: the same ones for every program
    failure = None
    try:
        names: dict[str, Any] = {}
        for name in ("prompt", "test"):  # the prompt holds helpers that tests use
            exec(compile(start[name], f"<{name}>", "exec"), names)  # noqa: S102
        names[start["function"]] = candidate  # some tests call it by its name
        names["check"](candidate)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<test>"]
        failure = f"line {lines[-1] if lines else 0} of the test: {type(error).__name__} {error}".strip()
    channel.send({"failure": failure})
