"""The accuracies that r_c predicts, population by population, and when another population is not worth its tokens.

Given a population of which m of N members are right, a set of K holds c right ones with the hypergeometric chance, so
each member of the next population is right with chance p(m) = sum over c of P(c; N, m, K) r_c, independently of the
others: the next m is binomial. Prediction starts from how many were right in each question's first population and
carries the whole distribution of m on. The mean accuracy alone would not do: half of the questions with all members
right and half with none stay that way, while every question with half of them right does not.

Questions differ in skill as well: question q aggregates rightly with chance logistic(a_c + b_q) when c parents are
right, where b_q is normal with mean 0. The a_c are fitted to the marginal likelihood, the integral over b_q a sum over
the nodes of Gauss and Hermite. How far the b_q spread is not chosen but averaged over: each of `SPREADS` counts by its
likelihood. What is taken for granted is that b_q does not change from population to population.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from selfagg._internal.extras import Optional
from selfagg.analysis.aggregation import Aggregations, aggregations
from selfagg.analysis.costs import Cost, costs_by_population
from selfagg.analysis.statistics import Counts, Floats, wilson
from selfagg.record.record import Record

if TYPE_CHECKING:
    import numpy as np
else:
    np = Optional("numpy")

FURTHER = 10
"""Populations predicted beyond the measured ones."""

BLOCKS = 50
"""Most blocks of questions for the jackknife."""

LEAST_GAIN = 0.01
"""The gain in accuracy, a population, below which another one is not worth its tokens."""

SPREADS = (0.0, 0.3, 0.6, 1.0, 1.5, 2.2, 3.2)
"""Standard deviations of the questions' offsets, in logits."""

NODES = 9
FURTHEST = 12.0
"""Logits of an r_c of which nothing is seen but right or nothing but wrong: 6e-6 from 0 or 1."""

FIRST_ROUNDS, FURTHER_ROUNDS = 60, 8


@dataclass(frozen=True, slots=True)
class Step:
    """One population of a trajectory.

    Beyond the run's own populations each is taken to cost what its last one did.
    """

    t: int  # number of the population
    measured: float | None  # its accuracy; None beyond those that the run has
    predicted: float  # the accuracy that r_c and the first population predict; that of the first is the measured one
    low: float  # lower end of the prediction's 95 % interval over questions (jackknife)
    high: float  # its upper end
    tokens: float | None  # a question up to here; None where no server told them


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A run's accuracies as predicted and as measured.

    From the population ``enough`` on no number of further ones gains ``least_gain`` of accuracy for each. Populations
    cost alike from the second on, so this asks for a least gain a token.
    """

    steps: Sequence[Step]  # one a population, those beyond the run's own included
    guessed: Sequence[int]  # values of c that never occurred, whose r_c was read off between its neighbours
    enough: int | None  # None if every population predicted is worth its tokens
    least_gain: float  # the gain


def trajectory(
    record: Record, counts: Aggregations | None = None, costs: Sequence[Cost] | None = None
) -> Trajectory | None:
    """Return the trajectory of a run all of whose later members are aggregations; None for others and without gold.

    Populations beyond the run's own are predicted too if its populations are all of one size. ``counts`` and ``costs``
    are `aggregations` and `costs_by_population` of it, of several seeds together, where they are there already.
    """
    counts = counts or aggregations(record)
    if counts is None or not counts.everywhere:
        return None
    run = counts.sizes
    further = FURTHER if len(set(run)) == 1 else 0
    sizes = (*run, *[run[-1]] * further)
    predicted, variance = over_questions(counts, sizes)
    values = int(counts.right.shape[0] * sum(run))
    measured = [*(counts.right.mean(axis=0) / np.array(run)).tolist(), *[None] * further]
    tokens = [cost.tokens for cost in costs or costs_by_population(record)]
    told = [known for known in tokens if known is not None]
    if len(told) == len(tokens):
        tokens += [told[-1] + (step + 1) * (told[-1] - told[-2]) for step in range(further)]
    else:
        tokens = [None] * len(sizes)
    steps = [
        Step(t, measured[t - 1], p, *wilson(p, v, len(counts.tried), values), tokens[t - 1])
        for t, (p, v) in enumerate(zip(predicted.tolist(), variance.tolist(), strict=True), start=1)
    ]
    guessed = [c for c in range(counts.k + 1) if not counts.tried[..., c].any()]
    return Trajectory(steps, guessed, enough([step.predicted for step in steps], LEAST_GAIN), LEAST_GAIN)


def enough(accuracies: Sequence[float], least_gain: float) -> int | None:
    """Return the first population that no number of later ones improves by ``least_gain`` each; None if none is such.

    Looking at all that follow and not at the next one alone lets a curve be slow at first.
    """
    for t, here in enumerate(accuracies[:-1], start=1):
        gains = [(later - here) / steps for steps, later in enumerate(accuracies[t:], start=1)]
        if max(gains) < least_gain:
            return t
    return None


def over_questions(counts: Aggregations, sizes: Sequence[int]) -> tuple[Floats, Floats]:
    """Return the predicted accuracy of each population and its variance between questions, of shape (T,) each.

    The variance is the jackknife's, in at most `BLOCKS` blocks of questions: that of the mean, times the questions.
    """
    tried, succeeded = counts.tried.sum(axis=1), counts.succeeded.sum(axis=1)
    seen = np.flatnonzero(tried.sum(axis=0))
    everything = skill_of(tried[:, seen], succeeded[:, seen])
    asked = len(tried)
    predicted = _mean(everything, counts, seen, np.ones(asked, dtype=bool), sizes)
    if asked == 1:
        return predicted, np.ones(len(sizes))
    blocks = np.arange(asked) % min(asked, BLOCKS)
    without = []
    for block in range(blocks.max() + 1):
        kept = blocks != block
        skill = skill_of(tried[kept][:, seen], succeeded[kept][:, seen], everything)
        without.append(_mean(skill, counts, seen, kept, sizes))
    return predicted, asked * blocks.max() * np.var(without, axis=0)


def _mean(skill: Skill, counts: Aggregations, seen: Any, kept: Any, sizes: Sequence[int]) -> Floats:
    """Return the mean accuracy of each population over the questions ``kept``, to which ``skill`` was fitted."""
    rates = np.array([np.interp(np.arange(counts.k + 1), seen, own) for own in skill.rates])
    starts = np.broadcast_to(np.eye(sizes[0] + 1), (len(rates), sizes[0] + 1, sizes[0] + 1))
    by_start = predict(rates[:, None, :], starts, sizes)
    chances = np.zeros((sizes[0] + 1, len(rates)))
    rows = kept[counts.question]
    fitted = np.cumsum(kept)[counts.question[rows]] - 1  # each row's question among those kept
    np.add.at(chances, counts.right[rows, 0], skill.chances[fitted])
    return np.asarray(np.einsum("mb,bmt->t", chances, by_start) / chances.sum())


def predict(rates: Floats, first: Floats, sizes: Sequence[int]) -> Floats:
    """Return the mean accuracy of each of T populations of these sizes, of shape (..., T).

    ``rates`` are r_0 to r_K, of shape (..., K + 1); ``first`` the chances of 0 to N right members in a question's first
    population, of shape (..., N + 1).
    """
    chances = first
    accuracies = [first @ np.arange(sizes[0] + 1) / sizes[0]]
    for n, following in pairwise(sizes):
        member = np.clip(rates @ _sets(n, rates.shape[-1] - 1).T, 0.0, 1.0)
        accuracies.append(np.sum(chances * member, axis=-1))
        chances = np.einsum("...m,...mj->...j", chances, _binomial(following, member))
    return np.stack(accuracies, axis=-1)


@lru_cache
def _sets(n: int, k: int) -> Floats:
    """Return the chances that a set of K holds c right members if m of N are right, of shape (N + 1, K + 1)."""
    from scipy.stats import hypergeom

    return np.asarray(hypergeom.pmf(np.arange(k + 1), n, np.arange(n + 1)[:, None], k))


def _binomial(n: int, p: Floats) -> Floats:
    """Return the chances of 0 to ``n`` successes, as a last axis; scipy's own function fails at a ``p`` of 1e-310."""
    from scipy.special import binom, xlog1py, xlogy

    successes, chance = np.arange(n + 1), p[..., None]
    return np.asarray(np.exp(np.log(binom(n, successes)) + xlogy(successes, chance) + xlog1py(n - successes, -chance)))


@dataclass(frozen=True, slots=True, eq=False)
class Skill:
    """The fitted model of questions that differ in skill. S spreads of Z nodes each, Q questions, C values of c."""

    base: Floats  # a_c under each spread, of shape (S, C)
    rates: Floats  # r_c at each node, of shape (S * Z, C)
    chances: Floats  # the chance of each node for each question, of shape (Q, S * Z); rows add up to 1


def skill_of(tried: Counts, succeeded: Counts, start: Skill | None = None) -> Skill:
    """Fit the model to the aggregations of each question by c, tried and right, of shape (Q, C); every c occurs.

    ``start`` is a fit to nearly the same questions, to begin with.
    """
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
