"""The ancestry of populations: the members of the first population that later members go back to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfagg.analysis.member_outcomes import QuestionOutcome, answered
from selfagg.record.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ancestry:
    """The ancestry of a population's members, as means over questions.

    A member's ancestry gives each member of the first population a share: a parent passes on its own shares, all
    parents of a member equally. This follows from the sets alone, whatever the candidates say; but a copy is its first
    parent's child alone.

    Attributes:
        t: The population.
        reached: Share of the first population that a member descends from at all.
        effective: Effective number of first members behind the whole population: 1 / sum of their squared shares. At
            most N; each population of RSA goes back to fewer, so that agreement is less and less independent.
        overlap: Mean over pairs of members of what their ancestries have in common: 0 nothing, 1 the same shares.
            None for a population of one.
    """

    t: int
    reached: float
    effective: float
    overlap: float | None


def ancestry(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> list[Ancestry]:
    """Return the ancestry of each population, over the questions that are done.

    Args:
        record: The record.
        questions: `answered` of it, where that is there already.
    """
    import numpy as np

    measured = np.array(
        [[_measure(shares) for shares in _shares(question)] for question in questions or answered(record)]
    )
    if not measured.size:
        return []
    return [
        Ancestry(t, float(reached), float(effective), None if np.isnan(overlap) else float(overlap))
        for t, (reached, effective, overlap) in enumerate(measured.mean(axis=0), start=1)
    ]


def _shares(question: QuestionOutcome) -> Sequence[Floats]:
    """Return for each population the share of each first member (columns) in each of its members (rows)."""
    import numpy as np

    shares = [np.eye(len(question.populations[0]))]
    for population in question.populations[1:]:
        before = shares[-1]
        parents = [member.parents[:1] if member.copied else member.parents for member in population]
        if len(set(map(len, parents))) == 1 and parents[0]:
            shares.append(before[np.array(parents)].mean(axis=1))
        else:  # a member that was drawn anew has no ancestors
            rows = [before[list(places)].mean(axis=0) if places else np.zeros(len(before[0])) for places in parents]
            shares.append(np.stack(rows))
    return shares


def _measure(shares: Floats) -> tuple[float, float, float]:
    import numpy as np

    members = len(shares)
    reached = float((shares > 0).mean())
    squares = float((shares.mean(axis=0) ** 2).sum())
    effective = 1 / squares if squares else 0.0
    if members == 1:
        return reached, effective, float("nan")
    # Over all pairs the smaller share of each first member: sorted, a share is the smaller one in every later pair.
    later = np.arange(members - 1, -1, -1)
    common = float((np.sort(shares, axis=0) * later[:, None]).sum())
    return reached, effective, common / (members * (members - 1) / 2)
