"""A search for the cheapest settings that would have been enough on a record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from selfagg._internal.arguments import check_numbers
from selfagg._internal.extras import extras_named
from selfagg.analysis.shadow import Outcomes, Shadow, Shadows
from selfagg.errors import UsageError
from selfagg.evaluation.budget import applicable
from selfagg.evaluation.record_files import RecordPath, opened_record
from selfagg.methods import RSA
from selfagg.methods.base import Method
from selfagg.methods.majority import Majority
from selfagg.record.record import Record

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
        recorded = {"calls": self.recorded_calls, "accuracy": self.recorded_accuracy}
        return {
            "recorded": {"method": dict(self.recorded.settings()), **recorded},
            "tried": self.tried,
            "front": [with_flags(shadow) for shadow in self.front],
            "plain": [with_flags(shadow) for shadow in self.plain],
            "chosen": self.chosen and with_flags(self.chosen),
        }


def with_flags(shadow: Shadow) -> dict[str, Any]:
    """Return a setting's results as an object for JSON, with what to type for it."""
    return {**shadow.to_dict(), "flags": flags(shadow.method)}


def flags(method: Method) -> str:
    """Return what to type after ``selfagg eval`` for a method with its settings."""
    settings = dict(method.settings())
    sizes = applicable(type(method), {name: settings[name] for name in ("n", "k", "t") if name in settings})
    parts = [f"--method {settings['name']}"] if settings["name"] != RSA.name else []
    parts += [f"-{name} {value}" for name, value in sizes.items()]
    if settings.get("order", "random") != "random":
        parts.append(f"--order {settings['order']}")
    parts += [f"--stop {settings['stop']}"] if "stop" in settings else []
    parts += ["--copy"] if settings.get("copy") else []
    parts += [f"--answer {settings['answer']}"] if settings.get("answer") else []
    return " ".join(parts)


def advise(
    record: RecordPath, *, calls: float | None = None, depth: float | None = None, loss: float | None = None
) -> Advice:
    """Search settings that would have been cheaper on a record: fewer members, populations, stop, copy, vote.

    Args:
        record: The record of an RSA run without stop and copy, or of a vote, with gold answers.
        calls: Most calls a question, in the mean.
        depth: Most populations a question, one after the other, in the mean.
        loss: Points of accuracy that may be lost against the recorded run; None: 1 where nothing else is asked for.

    Returns:
        The settings that no other beats in calls and accuracy, and of those that keep to what is asked: with ``loss``
        the one of fewest calls, else the most accurate.

    Raises:
        UsageError: The record cannot be read, or has no gold answers, or an amount is no number from 0.
    """
    check_numbers(math.inf, calls=calls, depth=depth, loss=loss)
    if calls is None and depth is None and loss is None:
        loss = LOSS
    with extras_named(), opened_record(record) as opened:
        shadows = Shadows(opened)
        if not any(question.scored and question.worth for question in shadows.questions):
            raise UsageError(f"record {record} has no gold answers, so nobody knows what cheaper settings cost")
        own = shadows.outcomes(shadows.recorded)
        tried = [shadows.outcomes(method) for method in candidates(shadows)]
        possible = [
            one
            for one in tried
            if (calls is None or one.calls.mean() <= calls)
            and (depth is None or one.depth.mean() <= depth)
            and (loss is None or one.accuracy >= own.accuracy - loss / 100 - 1e-9)
        ]
        chosen = min(possible, key=_cheapest if loss is not None else _best, default=None)
        return Advice(
            recorded=shadows.recorded,
            recorded_calls=float(own.calls.mean()),
            recorded_accuracy=own.accuracy,
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
    """Return the settings of which several runs of RSA tell exactly and that no other beats, the cheapest first.

    The runs are on the same questions, without stop and copy; without gold answers there is none.
    """
    done = "SELECT count(*) FROM questions WHERE weights IS NOT NULL"
    tried = [
        (shadows.outcomes(method), shadows)
        for shadows in (Shadows(record) for record in records if record.query(done)[0][0])
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
        if not kept or one.accuracy > kept[-1].accuracy + STEP:
            kept.append(one)
    return kept


def _cheapest(outcomes: Outcomes) -> tuple[float, float, bool]:
    return float(outcomes.calls.mean()), -outcomes.accuracy, not outcomes.exact


def _best(outcomes: Outcomes) -> tuple[float, float, bool]:
    return -outcomes.accuracy, float(outcomes.calls.mean()), not outcomes.exact
