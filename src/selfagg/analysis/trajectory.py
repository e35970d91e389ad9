"""The accuracies that r_c predicts, population by population, and when another population is not worth its tokens.

Given a population of which m of N members are right, a set of K holds c right ones with the hypergeometric chance, so
each member of the next population is right with chance p(m) = sum over c of P(c; N, m, K) r_c, independently of the
others: the next m is binomial. Prediction starts from how many were right in each question's first population and
carries the whole distribution of m on. The mean accuracy alone would not do: half of the questions with all members
right and half with none stay that way, while every question with half of them right does not.

Questions differ in skill as well: on some the model aggregates better than on others with as many right parents. Each
question has r_c of its own, all of them moved by the same number of logits; see `selfagg.analysis.skill`. What is taken
for granted is that this number does not change from population to population.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from selfagg.analysis.aggregation import Aggregations, aggregations
from selfagg.analysis.costs import Cost, costs_by_population
from selfagg.analysis.skill import Skill, skill_of
from selfagg.analysis.statistics import wilson
from selfagg.record.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FURTHER = 10
"""Populations predicted beyond the measured ones."""

BLOCKS = 50
"""Most blocks of questions for the jackknife."""

LEAST_GAIN = 0.01
"""The gain in accuracy, a population, below which another one is not worth its tokens."""


@dataclass(frozen=True, slots=True)
class Step:
    """One population of a trajectory.

    Attributes:
        t: Number of the population.
        measured: Its accuracy; None beyond those that the run has.
        predicted: The accuracy that r_c and the first population predict; that of the first is the measured one.
        low: Lower end of the prediction's 95 % interval over questions (jackknife), and
        high: its upper end.
        tokens: Prompt and completion tokens a question up to here. Beyond the run's own populations each is taken
            to cost what its last one did. None where no server told them.
    """

    t: int
    measured: float | None
    predicted: float
    low: float
    high: float
    tokens: float | None


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A run's accuracies as predicted and as measured.

    Attributes:
        steps: One a population, those beyond the run's own included.
        guessed: Values of c that never occurred, whose r_c was read off between its neighbours.
        enough: The first population from which no number of further ones gains ``least_gain`` of accuracy for each;
            populations cost alike from the second on, so this asks for a least gain a token. None if every
            population predicted is worth its tokens.
        least_gain: The gain.
    """

    steps: Sequence[Step]
    guessed: Sequence[int]
    enough: int | None
    least_gain: float

    def as_json(self) -> dict[str, Any]:
        """Return the trajectory as an object for JSON."""
        fields = ("t", "measured", "predicted", "low", "high", "tokens")
        return {
            "steps": [{name: getattr(step, name) for name in fields} for step in self.steps],
            "guessed": list(self.guessed),
            "enough": self.enough,
            "least_gain": self.least_gain,
        }


def trajectory(
    record: Record,
    least_gain: float = LEAST_GAIN,
    counts: Aggregations | None = None,
    costs: Sequence[Cost] | None = None,
) -> Trajectory | None:
    """Return the trajectory of a run all of whose later members are aggregations; None for others and without gold.

    Populations beyond the run's own are predicted too if its populations are all of one size.

    Args:
        record: The record.
        least_gain: The gain below which another population is not worth its tokens.
        counts: `aggregations` of it, where that is there already; of several seeds, where they belong together.
        costs: `costs_by_population` of it, likewise.
    """
    import numpy as np

    counts = counts or aggregations(record)
    if counts is None or not counts.everywhere:
        return None
    run = counts.sizes
    sizes = (*run, *[run[-1]] * (FURTHER if len(set(run)) == 1 else 0))
    predicted, variance = over_questions(counts, sizes)
    asked, values = len(counts.tried), int(counts.right.shape[0] * sum(run))
    ends = [wilson(float(p), float(v), asked, values) for p, v in zip(predicted, variance, strict=True)]
    measured = counts.right.mean(axis=0) / np.array(run)
    tokens = _tokens(costs or costs_by_population(record), len(sizes) - len(run))
    steps = [
        Step(
            t=t + 1,
            measured=float(measured[t]) if t < len(run) else None,
            predicted=float(predicted[t]),
            low=ends[t][0],
            high=ends[t][1],
            tokens=tokens[t],
        )
        for t in range(len(sizes))
    ]
    guessed = [c for c in range(counts.k + 1) if not counts.tried[..., c].any()]
    return Trajectory(steps, guessed, enough([step.predicted for step in steps], least_gain), least_gain)


def _tokens(costs: Sequence[Cost], further: int) -> list[float | None]:
    """Return tokens a question up to each population, and to so many further ones."""
    known = [cost.tokens for cost in costs if cost.tokens is not None]
    if len(known) < len(costs):
        return [None] * (len(costs) + further)
    return [*known, *(known[-1] + (step + 1) * (known[-1] - known[-2]) for step in range(further))]


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
    import numpy as np

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
    import numpy as np

    rates = np.array([np.interp(np.arange(counts.k + 1), seen, own) for own in skill.rates])
    starts = np.broadcast_to(np.eye(sizes[0] + 1), (len(rates), sizes[0] + 1, sizes[0] + 1))
    by_start = predict(rates[:, None, :], starts, sizes)
    chances = np.zeros((sizes[0] + 1, len(rates)))
    rows = kept[counts.question]
    fitted = np.cumsum(kept)[counts.question[rows]] - 1  # each row's question among those kept
    np.add.at(chances, counts.right[rows, 0], skill.chances[fitted])
    return np.asarray(np.einsum("mb,bmt->t", chances, by_start) / chances.sum())


def predict(rates: Floats, first: Floats, sizes: Sequence[int]) -> Floats:
    """Return the mean accuracy of each population, of shape (..., T).

    Args:
        rates: r_0 to r_K, of shape (..., K + 1).
        first: Chance of each number of right members, 0 to N, in a question's first population; (..., N + 1).
        sizes: Members of each of the T populations.
    """
    import numpy as np

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
    import numpy as np
    from scipy.stats import hypergeom

    return np.asarray(hypergeom.pmf(np.arange(k + 1), n, np.arange(n + 1)[:, None], k))


def _binomial(n: int, p: Floats) -> Floats:
    """Return the chances of 0 to ``n`` successes, as a last axis; scipy's own function fails at a ``p`` of 1e-310."""
    import numpy as np
    from scipy.special import binom, xlog1py, xlogy

    successes, chance = np.arange(n + 1), p[..., None]
    return np.asarray(np.exp(np.log(binom(n, successes)) + xlogy(successes, chance) + xlog1py(n - successes, -chance)))
