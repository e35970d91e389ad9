"""Equality of math answers, as it runs in worker processes: imported there and nowhere else."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import math_verify  # type: ignore[import-untyped]

from selfagg.scoring import guard


def equal(gold: str, answer: str) -> bool:
    """Whether math-verify takes an answer for the gold one: both as the content of a box."""
    return bool(math_verify.verify(_parsed(gold), _parsed(answer), timeout_seconds=None))


def groups(answers: Sequence[str]) -> list[int]:
    """For each answer, the position of the first that equals it, whichever of the two is taken for gold."""
    firsts: list[int] = []
    positions = []
    for position, answer in enumerate(answers):
        for first in firsts:
            if equal(answers[first], answer) or equal(answer, answers[first]):
                positions.append(first)
                break
        else:
            firsts.append(position)
            positions.append(position)
    return positions


@functools.lru_cache(maxsize=4096)
def _parsed(answer: str) -> list[Any]:
    # Its own time limits need signals and cost system calls; the worker's limit stands in for them.
    parsed: list[Any] = math_verify.parse(rf"\boxed{{{answer}}}", parsing_timeout=None)
    return parsed


guard.install()
