"""What an experiment came to, over its seeds: numbers with intervals, a table, and sentences that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Any

from examples.lab.arms import ARMS
from examples.lab.settings import setting_named
from examples.lab.supervised import K

Results = Sequence[Mapping[str, Any]]
"""What `Experiment.run` gave, an entry a seed."""

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over seeds with its 95 % interval (Student's t); of one seed there is none."""

    mean: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def over_seeds(values: Sequence[float]) -> Interval:
    """The mean of one number a seed, and its interval."""
    from scipy.stats import t

    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean, None, None)
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * stdev(values) / sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


Number = Callable[[Mapping[str, Any]], float | None]
"""Takes one number out of what was measured of an arm; None where it never occurred."""


def of_arm(results: Results, arm: str, number: Number) -> Interval | None:
    """One share of an arm over the seeds that have it; its interval ends at 0 and 1, as shares do."""
    values = [value for result in results if (value := number(result["arms"][arm])) is not None]
    if not values:
        return None
    found = over_seeds(values)
    if found.low is None or found.high is None:
        return found
    return Interval(found.mean, max(0.0, found.low), min(1.0, found.high))


def single_shot(arm: Mapping[str, Any]) -> float:
    """Accuracy of the first population."""
    return float(arm["accuracy"][0])


def after_rsa(arm: Mapping[str, Any]) -> float:
    """Accuracy of the last population."""
    return float(arm["accuracy"][-1])


def vote(arm: Mapping[str, Any]) -> float:
    """Accuracy of the majority of as many fresh samples as RSA takes calls."""
    return float(arm["vote"])


def bound(arm: Mapping[str, Any]) -> float:
    """Share of problems with a right one among those samples: the bound of every choice among them."""
    return float(arm["bound"])


def entry(number: str, place: int) -> Number:
    """One entry of a number that there is for each population, or for each c."""
    return lambda arm: arm[number][place]


def reads_right(c: int) -> Number:
    """Chance of a right start, shown four candidates of which c are right."""
    return lambda arm: arm["reading"]["right"][c]


def reads_taken(c: int) -> Number:
    """Chance of a start that one of those four candidates has."""
    return lambda arm: arm["reading"]["taken"][c]


def reading(name: str) -> Number:
    """Another number of `measure.read_candidates`."""
    return lambda arm: arm["reading"][name]


@dataclass(frozen=True, slots=True)
class Margin:
    """How far aggregation-aware RL with RSA is above something, seed by seed."""

    over: str
    margin: Interval
    wins: int

    @property
    def holds(self) -> bool:
        """Whether it is above: by the interval, or, with one seed, at all."""
        return (self.margin.mean if self.margin.low is None else self.margin.low) > 0


def margins(results: Results) -> list[Margin]:
    """The three parts of the paper's claim."""
    parts = (
        ("the base with RSA", "base", after_rsa),
        ("standard RL with RSA", "standard", after_rsa),
        ("a single shot of standard RL", "standard", single_shot),
    )
    found = []
    for over, arm, number in parts:
        differences = [after_rsa(result["arms"]["aware"]) - number(result["arms"][arm]) for result in results]
        found.append(Margin(over, over_seeds(differences), sum(difference > 0 for difference in differences)))
    return found


OUTCOMES: tuple[tuple[str, Number], ...] = (
    ("single shot", single_shot),
    ("RSA", after_rsa),
    ("vote", vote),
    ("pass@N of its samples", bound),
    ("single goals, first population", entry("goals", 0)),
    ("single goals, last", entry("goals", -1)),
    ("pass@N, first population", entry("pass_at_n", 0)),
    ("pass@N, last", entry("pass_at_n", -1)),
)
"""Headings of a table and the numbers below them."""

RATES: tuple[tuple[str, Number], ...] = tuple((f"r_{c}", entry("r", c)) for c in range(K + 1))


def tables(results: Results) -> str:
    """Tables in Markdown: outcomes, how each model aggregates in its own run, and accuracy by population."""
    return "\n\n".join([_table(results, OUTCOMES), _table(results, RATES), _by_population(results)])


def _table(results: Results, columns: Sequence[tuple[str, Number]]) -> str:
    lines = [f"| | {' | '.join(heading for heading, _ in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for arm in ARMS:
        cells = [of_arm(results, arm.name, number) for _, number in columns]
        lines.append(f"| {arm.label} | {' | '.join('-' if cell is None else str(cell) for cell in cells)} |")
    return "\n".join(lines)


def _by_population(results: Results) -> str:
    populations = range(len(results[0]["arms"]["base"]["accuracy"]))
    lines = [
        f"| accuracy of population | {' | '.join(str(t + 1) for t in populations)} |",
        "|---" * (len(populations) + 1) + "|",
    ]
    for arm in ARMS:
        means = [fmean(result["arms"][arm.name]["accuracy"][t] for result in results) for t in populations]
        lines.append(f"| {arm.label} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    return "\n".join(lines)


def paragraph(results: Results) -> str:
    """What these seeds show, in sentences that the numbers choose."""
    parts = (_verdict, _how_it_aggregates, _diversity, _carried_over, _votes)
    sentences = [part(results) for part in parts]
    if len(results) == 1:
        sentences.append("This is one seed: whether it holds takes several (--seeds).")
    return " ".join(sentences)


def unable(result: Mapping[str, Any]) -> str:
    """Say that a seed has no base, and so no part in what follows."""
    base = result["base"]
    return (
        f"Seed {result['seed']}: the base did not learn enough in {base['lessons']:,} lessons "
        f"(reads {base['reads']:.0%}, walks {base['walks']:.0%} right), so it has no part in any number here."
    )


def _verdict(results: Results) -> str:
    aware = of_arm(results, "aware", after_rsa)
    found = margins(results)
    held, missed = [part for part in found if part.holds], [part for part in found if not part.holds]
    setting = results[0]["setting"]
    outcome = "The paper's whole claim holds here" if not missed else "The paper's whole claim does not hold here"
    said = [f"{outcome}, in the setting '{setting}': {setting_named(setting).why}."]
    shots = {arm.name: of_arm(results, arm.name, single_shot) for arm in ARMS}
    said.append(
        f"A single shot is right {shots['base']} of the time for the base, {shots['standard']} after standard RL and "
        f"{shots['aware']} after aggregation-aware RL, which with RSA comes to {aware}."
    )
    for parts, word in ((held, "It is above"), (missed, "It is not clearly above")):
        if parts:
            listed = "; ".join(
                f"{part.over} (by {part.margin}, above it in {part.wins} of {len(results)} seeds)" for part in parts
            )
            said.append(f"{word} {listed}.")
    return " ".join(said)


def _how_it_aggregates(results: Results) -> str:
    rates = {arm.name: of_arm(results, arm.name, reads_right(1)) for arm in ARMS}
    return (
        "Shown four candidates of which one is right, the base starts right "
        f"{rates['base']} of the time, standard RL {rates['standard']}, aggregation-aware RL {rates['aware']}."
    )


def _carried_over(results: Results) -> str:
    """Does standard RL ignore candidates, or has it never been asked about any?"""
    plain, foreign = (of_arm(results, "standard", reading(name)) for name in ("plain", "foreign"))
    wrong, repeated = of_arm(results, "standard", reads_right(0)), of_arm(results, "standard", reads_taken(0))
    differences = [
        result["arms"]["standard"]["reading"]["right"][0] - result["arms"]["standard"]["reading"]["plain"]
        for result in results
    ]
    reaches = "reaches such prompts" if over_seeds(differences).mean >= 0 else "does not reach such prompts whole"
    return (
        f"After standard RL a plain problem gets a right start {plain} of the time, one with four wrong candidates "
        f"{wrong}, and one with solutions of other problems as candidates {foreign}: what it knows of plain problems "
        f"{reaches}. It does not overlook candidates: of four wrong ones it begins like one {repeated} of the time."
    )


def _diversity(results: Results) -> str:
    first = {arm.name: of_arm(results, arm.name, entry("pass_at_n", 0)) for arm in ARMS}
    return (
        "Problems with a right one in the first population: "
        f"{first['base']} for the base, {first['standard']} after standard RL, {first['aware']} after "
        "aggregation-aware RL."
    )


def _votes(results: Results) -> str:
    votes, above = _below_rsa(results, vote)
    bounds, beyond = _below_rsa(results, bound)
    return (
        f"A majority vote over as many fresh samples as RSA takes calls comes to {votes}; the best vote of each seed "
        f"is {'below' if above else 'not clearly below'} aggregation-aware RL with RSA. A right one is among those "
        f"samples for {bounds} of the problems, the bound of every vote, judge and best-of-N; aggregation-aware RL "
        f"with RSA is {'above' if beyond else 'not clearly above'} it."
    )


def _below_rsa(results: Results, measure: Callable[[Mapping[str, Any]], float]) -> tuple[str, bool]:
    """Return what each arm comes to by a measure, and whether aggregation-aware RL with RSA is above all of them."""
    base, standard, aware = (of_arm(results, name, measure) for name in ("base", "standard", "aware"))
    margin = over_seeds([after_rsa(r["arms"]["aware"]) - max(map(measure, r["arms"].values())) for r in results])
    above = (margin.mean if margin.low is None else margin.low) > 0
    return f"{base} (base), {standard} (standard) and {aware} (aggregation-aware)", above
