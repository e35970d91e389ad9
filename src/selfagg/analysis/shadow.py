"""The savings and costs of other settings, derived from the record of a run that computed every member.

Rules that stop, fewer populations, and votes are exact: the members are the recorded ones. Copied sets and smaller
populations are by r_c; see `selfagg.analysis.courses`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from selfagg._internal.extras import Optional
from selfagg.analysis.courses import NOBODY, CourseDraws, Courses, Recorded, read
from selfagg.analysis.member_outcomes import QuestionOutcome
from selfagg.analysis.statistics import (
    Counts,
    Estimate,
    Floats,
    PairedComparison,
    for_json,
    interval,
    mean_interval,
    paired_difference,
    share,
)
from selfagg.errors import UsageError
from selfagg.methods import RSA, method_named
from selfagg.methods.base import ADAPTIVE, Method
from selfagg.methods.majority import Majority
from selfagg.record.record import Record
from selfagg.run.stopping import Rule, next_wave

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Optional("numpy")

DRAWS = 2000
"""Courses drawn over all questions, at least eight a question."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The results of a method on Q questions, as means over their courses; arrays of shape (Q,)."""

    method: Method
    exact: bool  # True if this is what a run of the method would be; else it is by r_c
    calls: Floats  # calls of a question
    tokens: Floats  # prompt and completion tokens; NaN where they are not known
    depth: Floats  # populations
    right: Floats  # chance that the answer is right; NaN where that is not known
    answers: Floats  # members that can be the answer: one for a vote

    @property
    def accuracy(self) -> float:
        """Return the mean chance of a right answer, questions of which it is not known left out."""
        return float(np.nanmean(self.right))

    @property
    def values(self) -> list[list[float]]:
        """Return for each question its chance to be answered rightly, once for each member that can be the answer."""
        pairs = zip(self.right, self.answers, strict=True)
        return [[] if right != right else [float(right)] * round(answers) for right, answers in pairs]


@dataclass(frozen=True, slots=True)
class Shadow:
    """The results of other settings, derived from a record, beside those of the recorded run.

    The reversal rate is over the recorded populations that the rule calls enough: the share after which the last
    population votes for another answer.
    """

    method: Method  # the method with the settings that are tried
    exact: bool  # True if its calls and answers are those of a run with these settings; else all is by r_c
    questions: int  # questions that are done, and told of here
    calls: float  # calls a question, every member of each population that is reached computed, as `evaluate` does
    tokens: float | None  # prompt and completion tokens a question; None where the server did not report all of them
    depth: float  # populations a question, one after the other
    recorded_calls: float  # calls a question of the recorded run
    recorded_tokens: float | None  # its tokens
    accuracy: Estimate | None  # accuracy of the answer; None without gold answers
    difference: PairedComparison | None  # the accuracy less that of the recorded run's own answer, paired by question
    against_vote: PairedComparison | None  # less that of the vote of the recorded run's last population, paired
    reversal: Estimate | None  # None without a rule, and where no population was enough

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg analyze --stop ... --json`` prints under ``shadow``."""
        return {
            "method": dict(self.method.settings()),
            **for_json(self, "exact questions calls tokens depth recorded_calls recorded_tokens accuracy"),
            "interval": interval(self.accuracy),
            "difference": _paired(self.difference),
            "against_vote": _paired(self.against_vote),
            **for_json(self, "reversal"),
            "reversal_interval": interval(self.reversal),
            "agreed": self.reversal.n_values if self.reversal else 0,
        }


def _paired(found: PairedComparison | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"mean": found.difference, "interval": [found.low, found.high], "verdict": found.verdict}


class Shadows:
    """A record read once, to derive the results of any number of other settings.

    Args:
        record: The record of an RSA run, or of one of independent samples (majority, single).

    Raises:
        UsageError: It holds no question that is done, or its run stopped or copied itself.
    """

    def __init__(self, record: Record) -> None:
        settings = dict(record.configuration["method"])
        if used := [f"{name}={settings[name]}" for name in ADAPTIVE if name in settings and name != "answer"]:
            raise UsageError(
                f"record {record.path} was made with {', '.join(used)}, so it lacks members that other settings need; "
                "use the record of a run without stop and copy"
            )
        self.recorded = method_named(str(settings.pop("name")), **settings)
        if not isinstance(self.recorded, RSA) and self.recorded.t > 1:
            raise UsageError(
                f"record {record.path} is of {self.recorded.name}: only rsa and majority stop, copy or vote"
            )
        self._record = record
        self._found = read(record)
        if not self._found.questions:
            raise UsageError(f"record {record.path} holds no question that is done")
        self._courses: dict[tuple[int, bool], Courses] = {}

    @property
    def questions(self) -> Sequence[QuestionOutcome]:
        """Return the questions that are done."""
        return self._found.questions

    def is_exact(self, method: Method) -> bool:
        """Return True if the record holds the very members of a method; else they are drawn by r_c."""
        copies = getattr(method, "copy", False)
        return isinstance(method, Majority) or (method.n == self.recorded.n and not copies)

    def outcomes(self, method: Method) -> Outcomes:
        """Return the results of a method on each question; raise UsageError if the record cannot tell of it."""
        recorded = self.recorded
        if isinstance(method, Majority) and method.n <= recorded.n:
            return _voted(self._found, method)
        alike = (
            isinstance(method, RSA)
            and isinstance(recorded, RSA)
            and (method.k, method.order) == (recorded.k, recorded.order)
        )
        if not alike or method.n > recorded.n or method.t > recorded.t:
            raise UsageError(
                f"a record of {_named(recorded)} cannot tell of {_named(method)}: it holds the same method with as "
                "many members and populations or fewer, and a vote of its first samples"
            )
        exact, key = self.is_exact(method), (method.n, bool(getattr(method, "copy", False)))
        if not exact and not all(question.whole for question in self.questions):
            raise UsageError(
                f"record {self._record.path} has questions without a gold answer or a score, so there is no r_c to "
                "tell of copied sets and smaller populations; stop, t and the vote need none"
            )
        if key not in self._courses:
            self._courses[key] = self._found.courses() if exact else self._drawn.courses(key[0], copy=key[1])
        return _followed(self._courses[key], method, exact=exact)

    @cached_property
    def _drawn(self) -> CourseDraws:
        return CourseDraws(self._record, self._found, max(DRAWS // len(self.questions), 8))

    @cached_property
    def _vote(self) -> list[list[float]]:
        """Return `Outcomes.values` of the recorded method with a vote at the end."""
        recorded = self.recorded
        voting = replace(recorded, answer="majority") if isinstance(recorded, RSA) else Majority(n=recorded.n)
        return self.outcomes(voting).values

    def of(self, method: Method) -> Shadow:
        """Return a method's calls, tokens, depth and accuracy beside those of the recorded run."""
        outcomes = self.outcomes(method)
        values = outcomes.values
        own = [question.worth if question.scored else [] for question in self.questions]
        known = any(values)
        return Shadow(
            method=method,
            exact=outcomes.exact,
            questions=len(values),
            calls=float(outcomes.calls.mean()),
            tokens=_known(outcomes.tokens),
            depth=float(outcomes.depth.mean()),
            recorded_calls=float(self._found.calls.sum(axis=(1, 2)).mean()),
            recorded_tokens=_known(self._found.tokens.sum(axis=(1, 2))),
            accuracy=mean_interval(values) if known else None,
            difference=paired_difference(values, own) if known else None,
            against_vote=paired_difference(values, self._vote) if known else None,
            reversal=self.reversal(method),
        )

    def reversal(self, method: Method) -> Estimate | None:
        """Return the share of recorded populations that agree enough, but are followed by another final answer."""
        if method.rule is None or method.t == 1:
            return None
        courses = self._found.courses()
        enough = _enough(method.rule, courses.n)[courses.leading[:, 0, :-1]]
        elected = np.array([list(map(_elected, populations)) for populations in self._found.answers])
        differs = elected[:, :-1] != elected[:, -1:]
        return share((differs & enough).sum(axis=1), enough.sum(axis=1))


def _named(method: Method) -> str:
    return " ".join(f"{value}" if key == "name" else f"{key}={value}" for key, value in method.settings().items())


def _known(values: Floats) -> float | None:
    total = float(values.mean())
    return None if total != total else total


def _enough(rule: Rule, n: int) -> NDArray[np.bool_]:
    """Return for 0 to N members that agree whether the rule ends a question after the population."""
    return np.array([rule.decided(n, [leading] if leading else [], 0) is True for leading in range(n + 1)])


def _followed(courses: Courses, method: Method, *, exact: bool) -> Outcomes:
    """Follow each course until the method's rule or its last population ends it."""
    ends = np.zeros((*courses.leading.shape[:2], method.t), dtype=bool)
    if method.rule is not None:
        ends[...] = _enough(method.rule, courses.n)[courses.leading[..., : method.t]]
    early = ends[..., :-1].any(axis=-1)
    ends[..., -1] = True
    last = ends.argmax(axis=-1)[..., None]

    def at(values: Floats) -> Floats:
        return np.asarray(np.take_along_axis(values, last, -1)[..., 0])

    votes = early | (not method.one_answer)
    right = np.where(votes, at(courses.voted), at(courses.sampled))
    return Outcomes(
        method=method,
        exact=exact,
        calls=at(courses.calls.cumsum(axis=-1)).mean(axis=-1),
        tokens=at(courses.tokens.cumsum(axis=-1)).mean(axis=-1),
        depth=(last[..., 0] + 1).mean(axis=-1),
        right=right.mean(axis=-1),
        answers=np.where(votes, 1, courses.n).mean(axis=-1),
    )


def _voted(found: Recorded, method: Majority) -> Outcomes:
    """Count the votes of the first samples, in their order, until the method's rule ends each vote."""
    rows = []
    first = (part[:, 0, : method.n] for part in (found.same, found.right, found.calls, found.tokens))
    for same, right, calls, tokens in zip(*first, strict=True):
        size = votes_needed(same.tolist(), method.vote_rule)
        winner = _elected(same[:size])  # a group goes by the place of its earliest member
        rows.append(
            (calls[:size].sum(), tokens[:size].sum(), right[:size].mean() if winner == NOBODY else right[winner])
        )
    calls, tokens, right = np.array(rows, dtype=float).T
    once = np.ones(len(rows))
    return Outcomes(method, exact=True, calls=calls, tokens=tokens, depth=once, right=right, answers=once)


def _elected(answers: Counts) -> int:
    """Return the answer that most members give, of equally many the earliest; `NOBODY` where none is given."""
    counts = Counter(answers[answers != NOBODY].tolist())
    return max(counts, key=lambda answer: counts[answer], default=NOBODY)


def votes_needed(same: Sequence[int], rule: Rule | None) -> int:
    """Return the number of members that a vote samples, wave by wave, as the engine does."""
    size, there = len(same), 0 if rule else len(same)
    while rule and there < size:
        groups = list(Counter(one for one in same[:there] if one != NOBODY).values())
        state = (size, groups, size - there)
        if rule.decided(*state):
            break
        there += next_wave(rule, *state)
    return there
