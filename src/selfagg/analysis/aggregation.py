"""The effect of aggregating: r_c, right answers gained and lost on the way, and the ancestry of members.

r_c is the chance of a right aggregation when c of its K parents are right: r_0 is rescue, a right answer from wrong
parents alone; r_K is keeping, a right answer where all parents have it.

``questions`` is everywhere `answered` of the record, where that is there already: a record is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from selfagg._internal.extras import Optional
from selfagg.analysis.member_outcomes import Population, QuestionOutcome, answered, elected
from selfagg.analysis.statistics import Counts, Estimate, Floats, interval, mean, share
from selfagg.errors import UsageError
from selfagg.record.record import Record

if TYPE_CHECKING:
    import numpy as np
else:
    np = Optional("numpy")


@dataclass(frozen=True, slots=True, eq=False)
class Aggregations:
    """The counts of a run's aggregations. Q questions whose members are all scored, T populations, sets of K.

    A parent whose call failed counts as not right. A copy is no aggregation, nor is a member carried forward.
    """

    k: int  # parents of an aggregation. A member with fewer is none: a method may draw some of its members anew
    sizes: tuple[int, ...]  # members of each population
    right: Counts  # right members, of shape (R, T): a row for each question and seed
    tried: Counts  # aggregations that made population t + 2 with c right parents, of shape (Q, T - 1, K + 1)
    succeeded: Counts  # those of them that are right
    question: Counts  # for each row of ``right`` its question's row of ``tried``, of shape (R,); of one seed 0 to Q - 1

    @property
    def everywhere(self) -> bool:
        """Return True if every member of the later populations is an aggregation, as in RSA."""
        return int(self.tried.sum()) == len(self.right) * sum(self.sizes[1:])

    def right_by_parents(self) -> list[Estimate | None]:
        """Return r_0 to r_K; None for a c that never occurred."""
        tried, succeeded = self.tried.sum(axis=1), self.succeeded.sum(axis=1)
        return [share(succeeded[:, c], tried[:, c]) for c in range(self.k + 1)]

    def as_json(self) -> list[dict[str, Any]]:
        """Return r_0 to r_K as objects for JSON, each with its interval and the number of aggregations behind it."""
        tried = self.tried.sum(axis=(0, 1)).tolist()
        return [
            {"c": c, "k": self.k, "share": mean(rate), "interval": interval(rate), "aggregations": tried[c]}
            for c, rate in enumerate(self.right_by_parents())
        ]


def aggregations(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> Aggregations | None:
    """Count a run's aggregations over the questions that are done; None if there is none with a known outcome.

    ``questions`` may be those of several seeds together.
    """
    whole = [question for question in questions or answered(record) if question.whole and len(question.populations) > 1]
    drawn = {len(m.parents) for one in whole for population in one.populations[1:] for m in population if m.made} - {0}
    if "k" in record.configuration.get("method", {}) and len(drawn) > 1:
        raise UsageError(f"record {record.path} is damaged: it has aggregation sets of several sizes")
    if not drawn:
        return None
    k = max(drawn)
    sizes = tuple(map(len, whole[0].populations))
    rows = {name: row for row, name in enumerate(dict.fromkeys(question.id for question in whole))}
    of = np.array([rows[question.id] for question in whole])
    counts = np.zeros((len(rows), len(sizes) - 1, k + 1, 2), dtype=np.int64)
    np.add.at(counts, of, np.stack([_outcomes(question, k + 1, _right, k) for question in whole]))
    return Aggregations(
        k, sizes, np.array([one.right_counts for one in whole]), counts.sum(axis=-1), counts[..., 1], of
    )


def _outcomes(question: QuestionOutcome, kinds: int, kind: Callable[[Population], int], k: int | None = None) -> Counts:
    """Count aggregations (of K parents, or all) by population, kind of parents, and wrong or right: (T - 1, C, 2)."""
    counts = np.zeros((len(question.populations) - 1, kinds, 2), dtype=np.int64)
    for step, (before, after) in enumerate(pairwise(question.populations)):
        for child in after:
            parents = [before[place] for place in child.parents]
            if child.made and parents and k in (None, len(parents)):
                counts[step, int(kind(parents)), int(child.right)] += 1
    return counts


def _right(members: Population) -> int:
    return sum(member.right for member in members)


def _elected_right(members: Population) -> bool:
    winner = elected(members)
    return winner is not None and winner.right


FATES = ("died out", "rescued", "never right")


def fate(right: Sequence[int]) -> str | None:
    """Return what became of a question's right answers, one of `FATES`; None if each population had one.

    ``died out``: the last population has none, an earlier one had. ``rescued``: the last population has one, an earlier
    one had none.

    Args:
        right: Right members of each population; every member is scored.
    """
    if not any(right):
        return "never right"
    if not right[-1]:
        return "died out"
    return "rescued" if 0 in right else None


@dataclass(frozen=True, slots=True)
class Transition:
    """From population ``t - 1`` to population ``t``.

    A set of parents is called right if its vote is: its most frequent answer, ties by the candidate shown first.
    """

    t: int  # the population that was made
    lost: Estimate | None  # share of right sets whose aggregation is wrong; None if no set was right
    gained: Estimate | None  # share of wrong sets whose aggregation is right; None if no set was wrong
    lost_count: int  # aggregations that went from right to wrong
    gained_count: int  # from wrong to right; their difference is what aggregating adds to voting within the sets
    majorities_lost: int  # questions whose majority was right and is not any more
    majorities_gained: int  # questions whose majority has become right
    died_out: int  # questions that had a right answer and have none any more
    rescued: int  # questions that had no right answer and now have one


def transitions(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> list[Transition]:
    """Return the changes at each aggregation step, over the questions that are done; none without gold answers."""
    whole = [question for question in questions or answered(record) if question.whole and len(question.populations) > 1]
    if not whole:
        return []
    flows = np.stack([_outcomes(question, 2, _elected_right) for question in whole])
    there = np.array([one.right_counts for one in whole]) > 0
    voted = np.array([[_elected_right(population) for population in one.populations] for one in whole])
    return [
        Transition(
            t=t,
            lost=share(right[:, 0], right.sum(axis=1)),
            gained=share(wrong[:, 1], wrong.sum(axis=1)),
            lost_count=int(right[:, 0].sum()),
            gained_count=int(wrong[:, 1].sum()),
            majorities_lost=int((voted[:, t - 2] & ~voted[:, t - 1]).sum()),
            majorities_gained=int((voted[:, t - 1] & ~voted[:, t - 2]).sum()),
            died_out=int((there[:, t - 2] & ~there[:, t - 1]).sum()),
            rescued=int((there[:, t - 1] & ~there[:, t - 2]).sum()),
        )
        for t, (wrong, right) in enumerate(flows.transpose(1, 2, 0, 3), start=2)
    ]


@dataclass(frozen=True, slots=True)
class Ancestry:
    """The ancestry of a population's members, as means over questions.

    A member's ancestry gives each member of the first population a share: a parent passes on its own shares, all
    parents of a member equally. This follows from the sets alone, whatever the candidates say; but a copy is its first
    parent's child alone.
    The effective number is at most N; each population of RSA goes back to fewer, so that agreement is less and less
    independent.
    """

    t: int  # the population
    reached: float  # share of the first population that a member descends from at all
    effective: float  # 1 / sum of squared shares: first members behind the whole population
    overlap: float | None  # of pairs of members, from 0 to 1 (the same shares); None for a population of one


def ancestry(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> list[Ancestry]:
    """Return the ancestry of each population, over the questions that are done."""
    measured = [[_measure(shares) for shares in _shares(question)] for question in questions or answered(record)]
    means = np.mean(measured, axis=0).tolist() if measured else []
    return [
        Ancestry(t, reached, effective, None if overlap != overlap else overlap)
        for t, (reached, effective, overlap) in enumerate(means, start=1)
    ]


def _shares(question: QuestionOutcome) -> list[Floats]:
    """Return for each population the share of each first member (columns) in each of its members (rows)."""
    shares = [np.eye(len(question.populations[0]))]
    for population in question.populations[1:]:
        before = shares[-1]
        parents = [list(member.parents[:1] if member.copied else member.parents) for member in population]
        if len(set(map(len, parents))) == 1 and parents[0]:
            shares.append(before[np.array(parents)].mean(axis=1))
        else:  # a member that was drawn anew has no ancestors
            rows = [before[places].mean(axis=0) if places else np.zeros(len(before[0])) for places in parents]
            shares.append(np.stack(rows))
    return shares


def _measure(shares: Floats) -> tuple[float, float, float]:
    """Return a population's `Ancestry.reached`, ``effective`` and ``overlap``, NaN for a population of one."""
    members = len(shares)
    squares = float((shares.mean(axis=0) ** 2).sum())
    # Over all pairs the smaller share of each first member: sorted, a share is the smaller one in every later pair.
    later = np.arange(members - 1, -1, -1)
    common = float((np.sort(shares, axis=0) * later[:, None]).sum())
    overlap = common / (members * (members - 1) / 2) if members > 1 else float("nan")
    return float((shares > 0).mean()), 1 / squares if squares else 0.0, overlap
