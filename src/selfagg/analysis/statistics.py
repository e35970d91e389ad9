"""Intervals, pass@k and paired comparisons that hold for few questions and for accuracies near 0 and 1.

Questions are the unit everywhere: members of one question are alike, so a run's N members of 30 questions tell about
30 questions and not about 30 N answers. The coverage claimed below was simulated; the tests repeat it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from selfagg._internal.extras import Optional

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray
else:
    np = Optional("numpy")


Counts: TypeAlias = "NDArray[np.int64]"
Floats: TypeAlias = "NDArray[np.float64]"
Verdict = Literal["better", "worse", "cannot tell"]
Values = Sequence[Sequence[float]]
"""For each question its members' values; questions without any are left out."""

LEVEL = 0.95
POWER = 0.8
RESAMPLES = 16_384
"""Of bootstrap and sign-flip test: 2**14, so that the test is exact where at most 14 questions differ."""

BOOTSTRAP_FROM = 50
"""So many questions must be unlike most for the bootstrap's interval: with few it covers too little (69 % instead of
95 % for 8 questions of one member each)."""

ALIKE = 0.3
"""The correlation of a question's tries that is assumed where all of them came out alike."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over ``n_questions`` questions, ``n_values`` values in all, with its 95 % interval."""

    mean: float
    low: float
    high: float
    n_questions: int
    n_values: int


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """The difference between a method ``a`` and a method ``b`` on the same questions.

    The smallest detectable difference is the true one that so many questions, varying as these do, would show in 80 %
    of all experiments.
    """

    difference: float  # mean over questions of a's mean minus b's, with its interval ``low`` to ``high``
    low: float
    high: float
    p_value: float  # of the sign-flip test, two-sided
    method: str  # the statistical method, in words
    n_questions: int
    smallest_detectable: float | None  # see above; None if there is none
    verdict: Verdict = "cannot tell"  # ``better`` or ``worse`` if both the interval and the test exclude no difference

    def judged(self) -> PairedComparison:
        """Return the comparison with the verdict of its interval and its p-value."""
        sure = self.p_value <= 1 - LEVEL
        verdict: Verdict = "cannot tell"
        if sure and self.low > 0:
            verdict = "better"
        elif sure and self.high < 0:
            verdict = "worse"
        return replace(self, verdict=verdict)


def mean(value: Estimate | None) -> float | None:
    """Return an estimate's mean, for JSON."""
    return None if value is None else value.mean


def interval(value: Estimate | None) -> list[float] | None:
    """Return an estimate's interval, for JSON."""
    return None if value is None else [value.low, value.high]


def for_json(one: Any, names: str = "") -> dict[str, Any]:
    """Return attributes of a dataclass by their names (none given: all fields), of an estimate its mean."""
    values = {name: getattr(one, name) for name in names.split() or [field.name for field in fields(one)]}
    return {name: value.mean if isinstance(value, Estimate) else value for name, value in values.items()}


def mean_interval(values_by_question: Iterable[Sequence[float]]) -> Estimate:
    """Return the mean of values in [0, 1] (accuracy, partial credit) with a Wilson interval clustered by question.

    The variance between questions' means gives the effective sample size (Korn and Graubard 1998; Dean and Pagano
    2015), with Student's quantile for the number of questions. Simulated coverage of the 95 % interval: 93.7 % or
    more for 5 to 100 questions, 1 to 16 members, accuracies of 2 % to 95 % and any correlation within questions.
    One question tells nothing about others: its interval is [0, 1].

    Raises:
        ValueError: No question has values, or a value lies outside [0, 1].
    """
    kept = [values for values in values_by_question if len(values)]
    if not kept:
        raise ValueError("there is no question with values")
    means, n_values = np.array([float(np.mean(values)) for values in kept]), sum(map(len, kept))
    if means.min() < 0 or means.max() > 1:
        raise ValueError("values must lie in [0, 1]")
    n, mean = len(means), float(means.mean())
    low, high = wilson(mean, float(np.var(means, ddof=1)) if n > 1 else 0.0, n, n_values)
    return Estimate(mean, low, high, n, n_values)


def wilson(mean: float, variance: float, n: int, n_values: int) -> tuple[float, float]:
    """Return Wilson's interval for a mean in [0, 1] over n questions whose means vary so much; see `mean_interval`.

    The mean cannot be surer than if all values were independent; the interval of one question is [0, 1].
    """
    if n == 1:
        return 0.0, 1.0
    worst = mean * (1 - mean)
    information = 4 * n * worst
    # Where questions are nearly all alike, their variance is too often estimated far too small: add one
    # observation of the largest it can be to the information that there is.
    variance = (information * variance + worst) / (information + 1)
    # All right or all wrong: nothing is known of how questions vary, so each counts as one value.
    return _ends(mean, min(n * worst / variance, n_values) if worst else n, n)


def share(succeeded: Counts, tried: Counts) -> Estimate | None:
    """Return the share of all tries that succeeded, with an interval clustered by question; None without any try.

    Wilson's interval for as many independent tries as the ratio estimator's variance between questions is worth, never
    more than there were, with Student's quantile for the questions that tried. Simulated coverage of the 95 % interval:
    95 % or more for 10 questions, 91.5 to 99 % for 30 and 100, with skill alike or not (docs/evaluation.md).
    """
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
    return Estimate(p, *_ends(p, size, asked), asked, total)


def _ends(mean: float, size: float, questions: int) -> tuple[float, float]:
    """Return the ends of Wilson's interval for so many independent values, with Student's quantile."""
    from scipy.stats import norm, t
    from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

    alpha = 2 * norm.sf(t.ppf((1 + LEVEL) / 2, questions - 1))
    low, high = proportion_confint(mean * size, size, alpha=alpha, method="wilson")
    return max(float(low), 0.0), min(float(high), 1.0)  # rounded, an end can lie just outside: -5.6e-17


def pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Floats:
    """Return the chance that at least one of ``k`` of a question's ``n`` members is right, if ``c`` of ``n`` are.

    The unbiased estimator of Chen et al. 2021 (arXiv 2107.03374), 1 - C(n-c, k) / C(n, k); the arguments broadcast.

    Raises:
        ValueError: Not 0 <= c <= n and 1 <= k <= n.
    """
    from scipy.special import gammaln

    total, right, drawn = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (n, c, k)))
    if np.any((right < 0) | (right > total) | (drawn < 1) | (drawn > total)):
        raise ValueError("pass@k needs 0 <= c <= n and 1 <= k <= n")
    wrong = total - right
    enough = wrong >= drawn
    left = np.where(enough, wrong - drawn, 0)
    log_ratio = gammaln(wrong + 1) - gammaln(left + 1) - gammaln(total + 1) + gammaln(total - drawn + 1)
    chance = np.where(enough, -np.expm1(log_ratio), 1.0)
    return np.asarray(np.where(right == 0, 0.0, np.clip(chance, 0.0, 1.0)))


def paired_difference(a_by_question: Values, b_by_question: Values, *, bounded: bool = True) -> PairedComparison:
    """Compare two methods on the same questions, in the same order; leave out a question that one has no values of.

    The p-value is that of the sign-flip test on the questions' differences, exact where at most 14 of them are not
    zero. The interval is the BCa bootstrap's over questions where enough of them vary, else Student's with some of
    the worst-case variance added, which covers for few. Simulated coverage of that at 95 %: 92.7 % or more for 5 to
    100 questions, rare one-sided differences included.
    ``bounded`` values lie in [0, 1]; tokens and the like do not.

    Raises:
        ValueError: The two differ in length, or no question has values in both.
    """
    pairs = [(a, b) for a, b in zip(a_by_question, b_by_question, strict=True) if len(a) and len(b)]
    if not pairs:
        raise ValueError("there is no question that both have values for")
    differences = np.array([float(np.mean(a)) - float(np.mean(b)) for a, b in pairs])
    n, difference = len(differences), float(differences.mean())
    if n == 1:
        end = 1.0 if bounded else float("inf")
        return PairedComparison(difference, -end, end, 1.0, "one question", 1, None)
    unlike = n - int(np.unique(differences.round(9), return_counts=True)[1].max())
    variance = float(differences.var(ddof=1))
    if bounded:
        # Where nearly all questions differ alike (most often: not at all) it is too often estimated far too small, down
        # to 0. So it is taken as if 2 / (1 + questions unlike most) more questions had shown the largest there can be.
        added = 2 / (1 + unlike)
        variance = (n * variance + added) / (n + added)
    low, high, how = _interval(differences, variance, bounded, unlike)
    p_value, test = _sign_flip(differences)
    smallest = _smallest_detectable(n, variance, bounded)
    return PairedComparison(difference, low, high, p_value, f"{how}; {test}", n, smallest).judged()


def correct_for_many(comparisons: Sequence[PairedComparison]) -> list[PairedComparison]:
    """Return the same comparisons with p-values and verdicts corrected for their number (Holm).

    The intervals stay those of each comparison alone.
    """
    from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

    if not comparisons:
        return []
    _, p_values, _, _ = multipletests([c.p_value for c in comparisons], alpha=1 - LEVEL, method="holm")
    return [replace(c, p_value=float(p)).judged() for c, p in zip(comparisons, p_values, strict=True)]


def _interval(differences: Floats, variance: float, bounded: bool, unlike: int) -> tuple[float, float, str]:
    from scipy.stats import bootstrap, t

    if unlike >= BOOTSTRAP_FROM:
        ends = bootstrap(
            (differences,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=1024,
            confidence_level=LEVEL,
            method="BCa",
            rng=np.random.default_rng(0),
        ).confidence_interval
        return float(ends.low), float(ends.high), "BCa bootstrap over questions"
    n, mean = len(differences), float(differences.mean())
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * (variance / n) ** 0.5
    low, high = mean - half, mean + half
    return (max(low, -1.0), min(high, 1.0), "t interval") if bounded else (low, high, "t interval")


def _sign_flip(differences: Floats) -> tuple[float, str]:
    from scipy.stats import permutation_test

    changed = differences[differences != 0]  # a zero's sign changes nothing
    if len(changed) < 2:
        return 1.0, "no test: fewer than two questions differ"
    drawn = np.random.default_rng(0)
    result: Any = permutation_test(
        (changed,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, batch=1024, rng=drawn
    )
    exact = 2 ** len(changed) <= RESAMPLES
    return float(result.pvalue), f"{'exact' if exact else 'sampled'} sign-flip test"


def _smallest_detectable(n: int, variance: float, bounded: bool) -> float | None:
    from statsmodels.stats.power import TTestPower  # type: ignore[import-untyped]

    if n < 3 or variance == 0:
        return None
    effect = TTestPower().solve_power(nobs=n, alpha=1 - LEVEL, power=POWER, alternative="two-sided")
    smallest = float(effect) * variance**0.5
    return None if bounded and smallest > 1 else smallest
