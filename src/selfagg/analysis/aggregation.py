"""The quality of a model's aggregations: r_c, the chance of a right aggregation when c of its K parents are right.

r_0 is rescue, a right answer from wrong parents alone; r_K is keeping, a right answer where all parents have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from selfagg.analysis.member_outcomes import QuestionOutcome, answered
from selfagg.analysis.statistics import LEVEL, Estimate
from selfagg.errors import UsageError
from selfagg.record.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]


ALIKE = 0.3
"""The correlation of a question's aggregations that is assumed where all of them came out alike."""


@dataclass(frozen=True, slots=True, eq=False)
class Aggregations:
    """The counts of a run's aggregations. Q questions whose members are all scored, T populations, sets of K.

    A parent whose call failed counts as not right. A copy is no aggregation, nor is a member carried forward.

    Attributes:
        k: Parents of an aggregation. A member with fewer is none: a method may draw some of its members anew.
        sizes: Members of each population.
        right: Right members, of shape (R, T): a row for each question and seed.
        tried: Aggregations that made population t + 2 with c right parents, of shape (Q, T - 1, K + 1).
        succeeded: Those of them that are right.
        question: For each row of ``right`` its question's row of ``tried``, of shape (R,); of one seed 0 to Q - 1.
    """

    k: int
    sizes: tuple[int, ...]
    right: Counts
    tried: Counts
    succeeded: Counts
    question: Counts

    @property
    def everywhere(self) -> bool:
        """Return True if every member of the later populations is an aggregation, as in RSA."""
        return int(self.tried.sum()) == len(self.right) * sum(self.sizes[1:])

    def right_by_parents(self, t: int | None = None) -> list[Estimate | None]:
        """Return r_0 to r_K, over all aggregations or those of population ``t``; None for a c that never occurred."""
        populations = slice(None) if t is None else slice(t - 2, t - 1)
        tried = self.tried[:, populations].sum(axis=1)
        succeeded = self.succeeded[:, populations].sum(axis=1)
        return [share(succeeded[:, c], tried[:, c]) for c in range(self.k + 1)]


def aggregations(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> Aggregations | None:
    """Count a run's aggregations over the questions that are done; None if there is none with a known outcome.

    Args:
        record: The record.
        questions: `answered` of it, where that is there already; those of several seeds, where they belong together.
    """
    import numpy as np

    whole = [question for question in questions or answered(record) if question.whole and len(question.populations) > 1]
    drawn = {len(m.parents) for one in whole for population in one.populations[1:] for m in population if m.made} - {0}
    if "k" in record.configuration.get("method", {}) and len(drawn) > 1:
        raise UsageError(f"record {record.path} is damaged: it has aggregation sets of several sizes")
    k = max(drawn, default=0)
    if not k:
        return None
    right = [[sum(member.right for member in population) for population in one.populations] for one in whole]
    sizes = tuple(map(len, whole[0].populations))
    places = {name: place for place, name in enumerate(dict.fromkeys(question.id for question in whole))}
    of = np.array([places[question.id] for question in whole])
    counts = np.zeros((len(places), len(sizes) - 1, k + 1, 2), dtype=np.int64)
    np.add.at(counts, of, np.stack([_count(question, k) for question in whole]))
    return Aggregations(k, sizes, np.array(right), counts.sum(axis=-1), counts[..., 1], of)


def _count(question: QuestionOutcome, k: int) -> Counts:
    """Count aggregations by population, right parents, and right or wrong; the shape is (T - 1, K + 1, 2)."""
    import numpy as np

    counts = np.zeros((len(question.populations) - 1, k + 1, 2), dtype=np.int64)
    for step, (before, after) in enumerate(pairwise(question.populations)):
        for child in (child for child in after if child.made and len(child.parents) == k):
            counts[step, sum(before[parent].right for parent in child.parents), int(child.right)] += 1
    return counts


def share(succeeded: Counts, tried: Counts, level: float = LEVEL) -> Estimate | None:
    """Return the share of all tries that succeeded, with an interval clustered by question; None without any try.

    Wilson's interval for as many independent tries as the ratio estimator's variance between questions is worth, never
    more than there were, with Student's quantile for the questions that tried. Simulated coverage of the 95 % interval:
    95 % or more for 10 questions, 91.5 to 99 % for 30 and 100, with skill alike or not (docs/evaluation.md).

    Args:
        succeeded: Successes of each question.
        tried: Tries of each question.
        level: Of the interval.
    """
    from scipy.stats import norm, t
    from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

    total, asked = int(tried.sum()), int((tried > 0).sum())
    if total == 0:
        return None
    p = float(succeeded.sum()) / total
    if asked == 1:
        return Estimate(p, 0.0, 1.0, asked, total)
    worst = p * (1 - p)
    if worst:
        seen = asked / (asked - 1) * float(((succeeded - p * tried) ** 2).sum()) / total**2
        size = min(worst / seen, total) if seen else total
    else:  # nothing is seen of how questions vary
        size = total / (1 + ALIKE * (float((tried.astype(float) ** 2).sum()) / total - 1))
    alpha = 2 * norm.sf(t.ppf((1 + level) / 2, asked - 1))
    low, high = proportion_confint(p * size, size, alpha=alpha, method="wilson")
    return Estimate(p, max(float(low), 0.0), min(float(high), 1.0), asked, total)
