"""A search for the cheapest settings that would have been enough on a record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from selfagg._internal.arguments import check_numbers
from selfagg.errors import UsageError
from selfagg.methods import RSA
from selfagg.methods.base import Method
from selfagg.methods.majority import Majority
from selfagg.record.record import Record

if TYPE_CHECKING:
    from selfagg.analysis.shadow import Outcomes, Shadow, Shadows

MEMBERS = (4, 6, 8, 12)
"""Smaller populations that are tried."""

STOPS = ("never", "share:0.75", "share:0.875", "unanimous")
VOTES = (4, 8, 16, 32, 64, 128)
VOTE_STOPS = ("never", "decided", "asc:0.95")

STEP = 0.005
"""The least gain in accuracy from one point of the front to the next."""

LOSS = 1.0
"""Points of accuracy that may be lost where nothing is asked for."""


@dataclass(frozen=True)
class Advice:
    """Settings that would have been cheaper on a record.

    Attributes:
        recorded: The recorded method.
        recorded_calls: Calls a question of the recorded run, every member computed.
        recorded_accuracy: Accuracy of its own answer.
        tried: Number of settings that were tried.
        front: Those that no other beats in calls and accuracy, the cheapest first.
        plain: The front of those that neither stop nor copy.
        chosen: The one that keeps to what was asked; None where none does.
    """

    recorded: Method
    recorded_calls: float
    recorded_accuracy: float
    tried: int
    front: Sequence[Shadow]
    plain: Sequence[Shadow]
    chosen: Shadow | None

    @property
    def flags(self) -> str | None:
        """Return what to type after ``selfagg eval`` for the chosen settings."""
        return flags(self.chosen.method) if self.chosen else None

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg advise --json`` prints."""
        return {
            "recorded": {
                "method": dict(self.recorded.settings()),
                "calls": self.recorded_calls,
                "accuracy": self.recorded_accuracy,
            },
            "tried": self.tried,
            "front": [_told(shadow) for shadow in self.front],
            "plain": [_told(shadow) for shadow in self.plain],
            "chosen": self.chosen and _told(self.chosen),
        }


def _told(shadow: Shadow) -> dict[str, Any]:
    return {**shadow.to_dict(), "flags": flags(shadow.method)}


def flags(method: Method) -> str:
    """Return the flags of ``selfagg eval`` for the chosen settings."""
    settings = dict(method.settings())
    parts = [f"--method {settings['name']}"] if settings["name"] != "rsa" else []
    parts += [f"-{name} {settings[name]}" for name in ("n", "k", "t") if name in settings and name in _sizes(method)]
    if settings.get("order", "random") != "random":
        parts.append(f"--order {settings['order']}")
    if "stop" in settings:
        parts.append(f"--stop {settings['stop']}")
    if settings.get("copy"):
        parts.append("--copy")
    if settings.get("answer"):
        parts.append(f"--answer {settings['answer']}")
    return " ".join(parts)


def _sizes(method: Method) -> tuple[str, ...]:
    return ("n", "k", "t") if isinstance(method, RSA) else ("n",)


def advise(
    record: Record, *, calls: float | None = None, depth: float | None = None, loss: float | None = None
) -> Advice:
    """Search the settings; see `selfagg.advise`."""
    from selfagg.analysis.shadow import Shadows

    check_numbers(math.inf, calls=calls, depth=depth, loss=loss)
    if calls is None and depth is None and loss is None:
        loss = LOSS
    shadows = Shadows(record)
    scored = [question for question in shadows.questions if question.scored and question.worth]
    if not scored:
        raise UsageError(f"record {record.path} has no gold answers, so nobody knows what cheaper settings cost")
    own = shadows.outcomes(shadows.recorded)
    tried = [shadows.outcomes(method) for method in candidates(shadows)]
    possible = [
        one
        for one in tried
        if (calls is None or one.calls.mean() <= calls)
        and (depth is None or one.depth.mean() <= depth)
        and (loss is None or _accuracy(one) >= _accuracy(own) - loss / 100 - 1e-9)
    ]
    chosen = min(possible, key=_cheapest if loss is not None else _best, default=None)
    return Advice(
        recorded=shadows.recorded,
        recorded_calls=float(own.calls.mean()),
        recorded_accuracy=_accuracy(own),
        tried=len(tried),
        front=[shadows.of(one.method) for one in front(tried)],
        plain=[shadows.of(one.method) for one in front([one for one in tried if not one.method.compares])],
        chosen=shadows.of(chosen.method) if chosen else None,
    )


def candidates(shadows: Shadows) -> Iterator[Method]:
    """Yield the settings to try: those whose results the record can give."""
    recorded = shadows.recorded
    for n in sorted({*(n for n in VOTES if n < recorded.n), recorded.n}):
        yield from (Majority(n=n, stop=stop) for stop in VOTE_STOPS)
    if not isinstance(recorded, RSA):
        return
    whole = all(question.whole for question in shadows.questions)
    sizes = [n for n in MEMBERS if recorded.k <= n < recorded.n and whole] + [recorded.n]
    for n in sizes:
        for t in range(2, recorded.t + 1):
            for stop in STOPS:
                for copy in (False, True) if whole else (False,):
                    for answer in ("sample", "majority"):
                        yield replace(recorded, n=n, t=t, stop=stop, copy=copy, answer=answer)


def front_of(records: Sequence[Record]) -> list[Shadow]:
    """Return the front over several records: settings that they tell of exactly, and that no other beats.

    Args:
        records: RSA runs on the same questions, without stop and copy.

    Returns:
        The front, the cheapest first; empty without gold answers.
    """
    from selfagg.analysis.shadow import Shadows

    done = "SELECT count(*) FROM questions WHERE weights IS NOT NULL"
    read = [Shadows(record) for record in records if record.query(done)[0][0]]
    tried = [
        (shadows.outcomes(method), shadows)
        for shadows in read
        if any(question.scored for question in shadows.questions)
        for method in candidates(shadows)
        if shadows.is_exact(method)
    ]
    kept = front([outcomes for outcomes, _ in tried])
    return [shadows.of(outcomes.method) for outcomes, shadows in tried if any(outcomes is one for one in kept)]


def front(tried: Sequence[Outcomes]) -> list[Outcomes]:
    """Return those that no other beats in calls and accuracy, the cheapest first, `STEP` apart at least."""
    kept: list[Outcomes] = []
    for one in sorted(tried, key=_cheapest):
        if not kept or _accuracy(one) > _accuracy(kept[-1]) + STEP:
            kept.append(one)
    return kept


def _accuracy(outcomes: Outcomes) -> float:
    import numpy as np

    return float(np.nanmean(outcomes.right))


def _cheapest(outcomes: Outcomes) -> tuple[float, float, bool]:
    return float(outcomes.calls.mean()), -_accuracy(outcomes), not outcomes.exact


def _best(outcomes: Outcomes) -> tuple[float, float, bool]:
    return -_accuracy(outcomes), float(outcomes.calls.mean()), not outcomes.exact
