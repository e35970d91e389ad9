"""The gains and losses of right answers from one population to the next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from selfagg.analysis.aggregation import share
from selfagg.analysis.member_outcomes import Population, QuestionOutcome, answered, elected
from selfagg.analysis.statistics import Estimate
from selfagg.record.record import Record

if TYPE_CHECKING:
    from selfagg.analysis.aggregation import Counts


@dataclass(frozen=True, slots=True)
class QuestionChange:
    """The course of one question: its right members in each population.

    Attributes:
        position: Its position in the run.
        id: Its name.
        right: Right members of each population.
        elected: True if each population's majority is right.
    """

    position: int
    id: str
    right: tuple[int, ...]
    elected: tuple[bool, ...]

    @property
    def died_out(self) -> tuple[int, ...]:
        """Return the populations without a right answer that follow one with a right answer."""
        return tuple(t for t in range(2, len(self.right) + 1) if self.right[t - 2] and not self.right[t - 1])

    @property
    def rescued(self) -> tuple[int, ...]:
        """Return the populations with a right answer that follow one without a right answer."""
        return tuple(t for t in range(2, len(self.right) + 1) if self.right[t - 1] and not self.right[t - 2])


@dataclass(frozen=True, slots=True)
class Transition:
    """From population ``t - 1`` to population ``t``.

    A set of parents is called right if its vote is: its most frequent answer, ties by the candidate shown first.

    Attributes:
        t: The population that was made.
        lost: Share of the aggregations of right sets that are wrong (right->wrong), None if no set was right.
        gained: Share of the aggregations of wrong sets that are right (wrong->right), None if no set was wrong.
        lost_count: Aggregations that went from right to wrong, and
        gained_count: from wrong to right; their difference is what aggregating adds to voting within the sets.
        majorities_lost: Questions whose majority was right and is not any more.
        majorities_gained: Questions whose majority has become right.
        died_out: Questions that had a right answer and have none any more.
        rescued: Questions that had no right answer and now have one.
    """

    t: int
    lost: Estimate | None
    gained: Estimate | None
    lost_count: int
    gained_count: int
    majorities_lost: int
    majorities_gained: int
    died_out: int
    rescued: int


def fates(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> list[QuestionChange]:
    """Return the course of each question whose members are all scored; ``questions``: `answered`, where it is there."""
    return [_fate(question) for question in questions or answered(record) if question.whole]


def transitions(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> list[Transition]:
    """Return the changes at each aggregation step, over the questions that are done; none without gold answers.

    Args:
        record: The record.
        questions: `answered` of it, where that is there already.
    """
    import numpy as np

    fared: list[QuestionChange] = []
    flows: list[Counts] = []
    for question in questions or answered(record):
        if question.whole and len(question.populations) > 1:
            fared.append(_fate(question))
            flows.append(_flow(question))
    if not fared:
        return []
    counts = np.stack(flows)
    return [_transition(t, fared, counts[:, t - 2]) for t in range(2, len(fared[0].right) + 1)]


def _transition(t: int, fared: Sequence[QuestionChange], flow: Counts) -> Transition:
    from_wrong, from_right = flow[:, 0], flow[:, 1]
    return Transition(
        t=t,
        lost=share(from_right[:, 0], from_right.sum(axis=1)),
        gained=share(from_wrong[:, 1], from_wrong.sum(axis=1)),
        lost_count=int(from_right[:, 0].sum()),
        gained_count=int(from_wrong[:, 1].sum()),
        majorities_lost=sum(fate.elected[t - 2] and not fate.elected[t - 1] for fate in fared),
        majorities_gained=sum(fate.elected[t - 1] and not fate.elected[t - 2] for fate in fared),
        died_out=sum(t in fate.died_out for fate in fared),
        rescued=sum(t in fate.rescued for fate in fared),
    )


def _fate(question: QuestionOutcome) -> QuestionChange:
    return QuestionChange(
        question.position,
        question.id,
        tuple(sum(member.right for member in population) for population in question.populations),
        tuple(_right(population) for population in question.populations),
    )


def _flow(question: QuestionOutcome) -> Counts:
    """Count aggregations by step, right or wrong vote of the parents, and right or wrong child: shape (T - 1, 2, 2)."""
    import numpy as np

    counts = np.zeros((len(question.populations) - 1, 2, 2), dtype=np.int64)
    for step, (before, after) in enumerate(pairwise(question.populations)):
        for child in (child for child in after if child.made and child.parents):
            counts[step, int(_right([before[parent] for parent in child.parents])), int(child.right)] += 1
    return counts


def _right(members: Population) -> bool:
    winner = elected(members)
    return winner is not None and winner.right
