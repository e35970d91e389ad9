"""Equality of math answers, as it runs in worker processes: imported there and nowhere else."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import math_verify  # type: ignore[import-untyped]
import sympy  # type: ignore[import-untyped]

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
            if _may_equal(answers[first], answer) and (equal(answers[first], answer) or equal(answer, answers[first])):
                positions.append(first)
                break
        else:
            firsts.append(position)
            positions.append(position)
    return positions


def _may_equal(one: str, other: str) -> bool:
    """Whether two answers are worth comparing: False for numbers far apart, which most pairs of answers are."""
    first, second = _value(one), _value(other)
    return first is None or second is None or abs(first - second) <= 1e-4 * max(1.0, abs(first))


@functools.lru_cache(maxsize=4096)
def _value(answer: str) -> complex | None:
    parsed = _parsed(answer)
    # A percentage is held unevaluated, and equals the number with and without its sign.
    if not parsed or not isinstance(parsed[0], sympy.Expr) or parsed[0].has(sympy.UnevaluatedExpr):
        return None
    try:
        return complex(parsed[0].evalf()) if parsed[0].is_number else None
    except (TypeError, ValueError, OverflowError):
        return None


@functools.lru_cache(maxsize=4096)
def _parsed(answer: str) -> list[Any]:
    # Its own time limits need signals and cost system calls; the worker's limit stands in for them.
    parsed: list[Any] = math_verify.parse(rf"\boxed{{{answer}}}", parsing_timeout=None)
    return parsed


guard.install()
