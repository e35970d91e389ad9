"""The differences between questions in r_c: a logistic model with an offset for each question.

Question q aggregates rightly with chance logistic(a_c + b_q) when c parents are right, where b_q is normal with mean 0.
The a_c are fitted to the marginal likelihood, the integral over b_q a sum over the nodes of Gauss and Hermite. How far
the b_q spread is not chosen but averaged over: each of `SPREADS` counts by its likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

SPREADS = (0.0, 0.3, 0.6, 1.0, 1.5, 2.2, 3.2)
"""Standard deviations of the questions' offsets, in logits."""

NODES = 9
FURTHEST = 12.0
"""Logits of an r_c of which nothing is seen but right or nothing but wrong: 6e-6 from 0 or 1."""

FIRST_ROUNDS, FURTHER_ROUNDS = 60, 8


@dataclass(frozen=True, slots=True, eq=False)
class Skill:
    """The fitted model. S spreads of Z nodes each, Q questions, C values of c.

    Attributes:
        base: a_c under each spread, of shape (S, C).
        rates: r_c at each node, of shape (S * Z, C).
        chances: The chance of each node for each question, of shape (Q, S * Z); rows add up to 1.
    """

    base: Floats
    rates: Floats
    chances: Floats


def skill_of(tried: Counts, succeeded: Counts, start: Skill | None = None) -> Skill:
    """Fit the model to counts of aggregations.

    Args:
        tried: Aggregations of each question by c, of shape (Q, C); every c occurs.
        succeeded: Those of them that are right.
        start: A fit to nearly the same questions, to begin with.
    """
    import numpy as np
    from scipy.special import expit, log_expit, logsumexp

    z, weights = np.polynomial.hermite_e.hermegauss(NODES)
    prior = np.log(weights / weights.sum())
    offsets = np.multiply.outer(np.array(SPREADS), z)[..., None]  # (S, Z, 1)
    failed = tried - succeeded
    shares = (succeeded.sum(axis=0) + 0.5) / (tried.sum(axis=0) + 1)
    base = start.base if start else np.tile(np.log(shares / (1 - shares)), (len(SPREADS), 1))
    for _ in range(FURTHER_ROUNDS if start else FIRST_ROUNDS):
        logits = base[:, None, :] + offsets
        likelihood = succeeded @ log_expit(logits).reshape(-1, logits.shape[-1]).T
        likelihood += failed @ log_expit(-logits).reshape(-1, logits.shape[-1]).T
        joint = likelihood.reshape(len(tried), *logits.shape[:2]) + prior  # (Q, S, Z)
        by_spread = logsumexp(joint, axis=-1, keepdims=True)
        nodes = np.exp(joint - by_spread)
        rates = expit(logits)
        right, asked = np.tensordot(nodes, succeeded, (0, 0)), np.tensordot(nodes, tried, (0, 0))  # (S, Z, C)
        slope = (right - asked * rates).sum(axis=1)
        curvature = (asked * rates * (1 - rates)).sum(axis=1)
        base = np.clip(base + np.clip(slope / (curvature + 1e-9), -1, 1), -FURTHEST, FURTHEST)
    total = by_spread.sum(axis=0)[:, 0]
    spreads = np.exp(total - logsumexp(total))
    chances = (nodes * spreads[:, None]).reshape(len(tried), -1)
    return Skill(base, rates.reshape(-1, rates.shape[-1]), chances)
