"""The savings and costs of other settings, derived from the record of a run that computed every member.

Rules that stop, fewer populations, and votes are exact: the members are the recorded ones. Copied sets and smaller
populations are by r_c; see `selfagg.analysis.courses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from selfagg.analysis.aggregation import share
from selfagg.analysis.courses import NOBODY, Courses, Drawn, Recorded, as_recorded, read
from selfagg.analysis.member_outcomes import QuestionOutcome
from selfagg.analysis.population import interval, mean
from selfagg.analysis.statistics import Estimate, PairedComparison, mean_interval, paired_difference
from selfagg.errors import UsageError
from selfagg.methods import RSA, method_named
from selfagg.methods.base import ADAPTIVE, Method
from selfagg.methods.majority import Majority
from selfagg.record.record import Record
from selfagg.run.stopping import Rule, next_wave

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DRAWS = 2000
"""Courses drawn over all questions, at least eight a question."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The results of a method on Q questions, as means over their courses; arrays of shape (Q,).

    Attributes:
        method: The method.
        exact: True if this is what a run of the method would be; else it is by r_c.
        calls: Calls of a question.
        tokens: Prompt and completion tokens; NaN where they are not known.
        depth: Populations.
        right: Chance that the answer is right; NaN where that is not known.
        answers: Members that can be the answer: one for a vote.
    """

    method: Method
    exact: bool
    calls: Floats
    tokens: Floats
    depth: Floats
    right: Floats
    answers: Floats

    @property
    def values(self) -> list[list[float]]:
        """Return for each question its chance to be answered rightly, once for each member that can be the answer."""
        pairs = zip(self.right, self.answers, strict=True)
        return [[] if right != right else [float(right)] * round(answers) for right, answers in pairs]


@dataclass(frozen=True, slots=True)
class Shadow:
    """The results of other settings, derived from a record, beside those of the recorded run.

    Attributes:
        method: The method with the settings that are tried.
        exact: True if its calls and answers are those of a run with these settings; else all is by r_c.
        questions: Questions that are done, and told of here.
        calls: Calls a question, every member of each population that is reached computed, as `evaluate` does.
        tokens: Prompt and completion tokens a question; None where the server did not report all of them.
        depth: Populations a question, one after the other.
        recorded_calls: Calls a question of the recorded run.
        recorded_tokens: Its tokens.
        accuracy: Accuracy of the answer; None without gold answers.
        difference: The accuracy less that of the recorded run's own answer, paired by question.
        against_vote: The accuracy less that of the vote of the recorded run's last population, paired by question.
        reversal: Of the recorded populations that the rule calls enough, the share after which the last population
            votes for another answer; None without a rule, and where no population was enough.
    """

    method: Method
    exact: bool
    questions: int
    calls: float
    tokens: float | None
    depth: float
    recorded_calls: float
    recorded_tokens: float | None
    accuracy: Estimate | None
    difference: PairedComparison | None
    against_vote: PairedComparison | None
    reversal: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg analyze --stop ... --json`` prints under ``shadow``."""
        return {
            "method": dict(self.method.settings()),
            "exact": self.exact,
            "questions": self.questions,
            "calls": self.calls,
            "tokens": self.tokens,
            "depth": self.depth,
            "recorded_calls": self.recorded_calls,
            "recorded_tokens": self.recorded_tokens,
            "accuracy": mean(self.accuracy),
            "interval": interval(self.accuracy),
            "difference": _paired(self.difference),
            "against_vote": _paired(self.against_vote),
            "reversal": mean(self.reversal),
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
        used = [f"{name}={settings[name]}" for name in ADAPTIVE if name in settings and name != "answer"]
        if used:
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

    def check(self, method: Method) -> None:
        """Look whether the record can tell of a method.

        Raises:
            UsageError: It cannot; the message says why.
        """
        recorded = self.recorded
        if isinstance(method, Majority) and method.n <= recorded.n:
            return
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
        if not self.is_exact(method) and not all(question.whole for question in self._found.questions):
            raise UsageError(
                f"record {self._record.path} has questions without a gold answer or a score, so there is no r_c to "
                "tell of copied sets and smaller populations; stop, t and the vote need none"
            )

    def is_exact(self, method: Method) -> bool:
        """Return True if the record holds the very members of a method; else they are drawn by r_c."""
        copies = getattr(method, "copy", False)
        return isinstance(method, Majority) or (method.n == self.recorded.n and not copies)

    def outcomes(self, method: Method) -> Outcomes:
        """Return the results of a method on each question; raise as `check` does."""
        self.check(method)
        if isinstance(method, Majority):
            return _voted(self._found, method)
        courses = self._of(method.n, copy=bool(getattr(method, "copy", False)))
        return _followed(courses, method, exact=self.is_exact(method))

    def _of(self, n: int, *, copy: bool) -> Courses:
        if (n, copy) not in self._courses:
            exact = n == self.recorded.n and not copy
            self._courses[n, copy] = as_recorded(self._found) if exact else self._drawn.courses(n, copy=copy)
        return self._courses[n, copy]

    @cached_property
    def _drawn(self) -> Drawn:
        return Drawn(self._record, self._found, max(DRAWS // len(self._found.questions), 8))

    @cached_property
    def _vote(self) -> list[list[float]]:
        return self.outcomes(_voting(self.recorded)).values

    def of(self, method: Method) -> Shadow:
        """Return a method's calls, tokens, depth and accuracy beside those of the recorded run."""
        outcomes = self.outcomes(method)
        values = outcomes.values
        own = [question.worth if question.scored else [] for question in self._found.questions]
        calls, tokens = (part.sum(axis=(1, 2)) for part in (self._found.calls, self._found.tokens))
        return Shadow(
            method=method,
            exact=outcomes.exact,
            questions=len(values),
            calls=float(outcomes.calls.mean()),
            tokens=_known(outcomes.tokens),
            depth=float(outcomes.depth.mean()),
            recorded_calls=float(calls.mean()),
            recorded_tokens=_known(tokens),
            accuracy=mean_interval(values) if any(values) else None,
            difference=paired_difference(values, own) if any(values) else None,
            against_vote=paired_difference(values, self._vote) if any(values) else None,
            reversal=self.reversal(method),
        )

    def reversal(self, method: Method) -> Estimate | None:
        """Return the share of recorded populations that agree enough, but are followed by another final answer."""
        import numpy as np

        if method.rule is None or method.t == 1:
            return None
        courses, answers = as_recorded(self._found), self._found.answers[:, : self.recorded.t]
        enough = _enough(method.rule, courses.n)[courses.leading[:, 0, :-1]]
        elected = np.array([[_elected(population) for population in one] for one in answers])
        differs = elected[:, :-1] != elected[:, -1:]
        return share((differs & enough).sum(axis=1), enough.sum(axis=1))


def _voting(method: Method) -> Method:
    """Return the recorded method with a vote at the end."""
    if isinstance(method, RSA):
        return replace(method, answer="majority")
    return Majority(n=method.n)


def _named(method: Method) -> str:
    return " ".join(f"{value}" if key == "name" else f"{key}={value}" for key, value in method.settings().items())


def _known(values: Floats) -> float | None:
    total = float(values.mean())
    return None if total != total else total


def _elected(answers: NDArray[np.int64]) -> int:
    """Return the answer that most members give, of equally many the earliest; `NOBODY` where none is given."""
    import numpy as np

    given, first, counts = np.unique(answers[answers != NOBODY], return_index=True, return_counts=True)
    return int(given[np.lexsort((first, -counts))[0]]) if len(given) else NOBODY


def _enough(rule: Rule, n: int) -> NDArray[np.bool_]:
    """Return for 0 to N members that agree whether the rule ends a question after the population."""
    import numpy as np

    return np.array([rule.decided(n, [leading] if leading else [], n - leading, 0) is True for leading in range(n + 1)])


def _followed(courses: Courses, method: Method, *, exact: bool) -> Outcomes:
    """Follow each course until the method's rule or its last population ends it."""
    import numpy as np

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
    import numpy as np

    same, right = found.same[:, 0, : method.n], found.right[:, 0, : method.n]
    sizes = [votes_needed(list(one), method.vote_rule) for one in same]
    winners = [_winner(one[:size]) for one, size in zip(same, sizes, strict=True)]
    spent = [[float(costs[q, 0, :size].sum()) for q, size in enumerate(sizes)] for costs in (found.calls, found.tokens)]
    nobody = [float(np.mean(one[:size])) for one, size in zip(right, sizes, strict=True)]
    return Outcomes(
        method=method,
        exact=True,
        calls=np.array(spent[0]),
        tokens=np.array(spent[1]),
        depth=np.ones(len(sizes)),
        right=np.array([nobody[q] if at is None else right[q, at] for q, at in enumerate(winners)]),
        answers=np.ones(len(sizes)),
    )


def _groups(same: Sequence[int]) -> list[int]:
    """Return the sizes of the groups of equal answers, in the order of their earliest members."""
    counts: dict[int, int] = {}
    for one in same:
        if one != NOBODY:
            counts[one] = counts.get(one, 0) + 1
    return list(counts.values())


def _winner(same: NDArray[np.int64]) -> int | None:
    """Return the place of the earliest member of the largest group; None where nobody has an answer."""
    import numpy as np

    own = (same[:, None] == same).sum(axis=-1) * (same != NOBODY)
    return int(np.argmax(own)) if own.any() else None


def votes_needed(same: Sequence[int], rule: Rule | None) -> int:
    """Return the number of members that a vote samples, wave by wave, as the engine does."""
    size, there = len(same), 0 if rule else len(same)
    while rule and there < size:
        groups = _groups(same[:there])
        state = (size, groups, there - sum(groups), size - there)
        if rule.decided(*state):
            break
        there += next_wave(rule, *state)
    return there
