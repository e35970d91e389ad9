"""Methods on the same questions, each over all its seeds: accuracy, cost, curves, and whether a difference is noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean, stdev
from typing import Any

from selfagg.analysis.aggregation import Aggregations, aggregations
from selfagg.analysis.costs import Cost, costs_by_population, costs_by_question, mean_cost
from selfagg.analysis.labels import labels_for, settings_of
from selfagg.analysis.member_outcomes import QuestionOutcome, answered
from selfagg.analysis.missing import Missing
from selfagg.analysis.statistics import (
    Estimate,
    PairedComparison,
    correct_for_many,
    for_json,
    mean,
    mean_interval,
    paired_difference,
)
from selfagg.analysis.summary import PopulationSummary, answer_accuracy, estimate, over_seeds, populations_of
from selfagg.analysis.trajectory import Trajectory, trajectory
from selfagg.errors import UsageError
from selfagg.methods import is_uniform
from selfagg.record.record import Record


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method with its settings, over all its seeds.

    P-value and verdict of a difference are corrected for the number of comparisons (Holm).
    """

    label: str  # name and settings, as far as they tell it from the others
    method: str  # name of the method
    seeds: tuple[int, ...]  # seeds of its runs, one for each record
    accuracy: Estimate  # of its own answer; of several seeds averaged within each question, as the interval
    by_seed: tuple[float, ...]  # the accuracy of each seed, in their order
    over_seeds: float | None  # standard deviation of these; None for one seed
    replied: Estimate | None  # the same, members without a reply left out
    missing: Missing  # missing parts of its runs
    cost: Cost  # mean cost of a question
    difference: PairedComparison | None  # accuracy minus the reference's, paired; None for the reference

    def as_json(self) -> dict[str, Any]:
        """Return the entry as an object for JSON."""
        found = self.difference
        return {
            "label": self.label,
            "method": self.method,
            "seeds": list(self.seeds),
            "accuracy": self.accuracy.mean,
            "interval": [self.accuracy.low, self.accuracy.high],
            "by_seed": list(self.by_seed),
            "over_seeds": self.over_seeds,
            "accuracy_replied": mean(self.replied),
            "missing": self.missing.as_json(),
            "cost": self.cost.as_json(),
            "difference": found
            and {
                "mean": found.difference,
                "interval": [found.low, found.high],
                **for_json(found, "p_value smallest_detectable verdict method"),
            },
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Methods on the same questions."""

    reference: str  # label of the entry that the others are set against
    questions: int  # questions compared: those with a gold answer that are done and scored in every record
    questions_total: int  # questions of the runs
    entries: Sequence[MethodResult]  # the methods, in the order in which their records were given

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as an object for JSON."""
        return {**for_json(self), "entries": [entry.as_json() for entry in self.entries]}


def compare(records: Sequence[Record], *, reference: str | None = None) -> Comparison:
    """Compare the runs of several records; runs that differ in nothing but the seed are one entry.

    Args:
        records: At least one, all of the same questions.
        reference: Label or method name of the entry to compare with; None: that of the first record.

    Raises:
        UsageError: The records are of different questions, no question with a gold answer is done in all of them,
            or no entry is called ``reference``.
    """
    for other in records[1:]:
        check_same_questions(records[0], other)
    runs = [_Run.of(record) for record in records]
    names = [name for name in runs[0].worth if all(name in run.worth for run in runs)]
    if not names:
        raise UsageError(
            "there is nothing to compare: no question with a gold answer is done and scored in every record"
        )
    groups = by_seed((run.settings, run.seed) for run in runs)
    entries = [[runs[number] for number in group] for group in groups]
    labels = labels_for([same[0].settings for same in entries])
    for place, same in enumerate(entries):
        if any(same[0].settings == other[0].settings for other in entries[:place]):
            raise UsageError(
                f"two of the records are the same run: {same[0].method} with its settings and seed {same[0].seed}"
            )
    chosen = _reference(reference, labels, [same[0].method for same in entries])
    values = [[over_seeds([run.worth[name] for run in same]) for name in names] for same in entries]
    found = correct_for_many([paired_difference(mine, values[chosen]) for e, mine in enumerate(values) if e != chosen])
    differences = [*found[:chosen], None, *found[chosen:]]
    ((questions,),) = records[0].query("SELECT count(*) FROM questions")
    results = []
    for label, same, mine, difference in zip(labels, entries, values, differences, strict=True):
        each = tuple(fmean(fmean(run.worth[name]) for name in names) for run in same)
        results.append(
            MethodResult(
                label=label,
                method=same[0].method,
                seeds=tuple(run.seed for run in same),
                accuracy=mean_interval(mine),
                by_seed=each,
                over_seeds=stdev(each) if len(each) > 1 else None,
                replied=estimate(over_seeds([run.replied[name] for run in same]) for name in names),
                missing=sum((run.missing for run in same), Missing()),
                cost=mean_cost(run.cost[name] for run in same for name in names),
                difference=difference,
            )
        )
    return Comparison(labels[chosen], len(names), questions, results)


@dataclass(frozen=True, slots=True)
class _Run:
    """One record, as far as a comparison needs it; what it has of questions goes by their names."""

    settings: Mapping[str, Any]
    seed: int
    worth: Mapping[str, list[float]]
    replied: Mapping[str, list[float]]
    cost: Mapping[str, Cost]
    missing: Missing

    @classmethod
    def of(cls, record: Record) -> _Run:
        costs = costs_by_question(record)
        known = [one for one in answered(record) if one.scored and one.worth]
        return cls(
            settings=settings_of(record),
            seed=record.configuration["seed"],
            worth={one.id: one.worth for one in known},
            replied={one.id: one.worth_replied for one in known},
            cost={one.id: costs[one.position] for one in known},
            missing=Missing.of(record),
        )

    @property
    def method(self) -> str:
        return str(self.settings["name"])


def by_seed(runs: Iterable[tuple[Mapping[str, Any], int]]) -> list[list[int]]:
    """Return the numbers of the runs that differ in nothing but the seed, in the order of the first of each.

    A second run of one seed stands apart: one run counted twice would pass for two.

    Args:
        runs: Settings and seed of each.
    """
    groups: list[tuple[Mapping[str, Any], dict[int, int]]] = []
    for number, (settings, seed) in enumerate(runs):
        for same, seeds in groups:
            if same == settings and seed not in seeds:
                seeds[seed] = number
                break
        else:
            groups.append((settings, {seed: number}))
    return [list(seeds.values()) for _, seeds in groups]


def together(records: Sequence[Record]) -> list[list[int]]:
    """Return `by_seed` of records, those of other questions apart."""
    return by_seed((_identity(record), record.configuration["seed"]) for record in records)


def _identity(record: Record) -> dict[str, Any]:
    return {**settings_of(record), "source": record.configuration.get("source")}


def _reference(asked: str | None, labels: Sequence[str], methods: Sequence[str]) -> int:
    if asked is None:
        return 0
    found = [e for e, (label, method) in enumerate(zip(labels, methods, strict=True)) if asked in (label, method)]
    if len(found) == 1:
        return found[0]
    why = f"there are {len(found)} entries" if found else "there is no entry"
    raise UsageError(f"{why} called {asked!r} to compare with; there are {', '.join(map(repr, labels))}")


def check_same_questions(one: Record, other: Record) -> None:
    """Check that two records are of the same questions.

    Raises:
        UsageError: One has a question that the other lacks, or that reads otherwise there.
    """
    mine, theirs = ([name for (name,) in record.query("SELECT id FROM questions")] for record in (one, other))
    for names, others, where in ((mine, theirs, one), (theirs, mine, other)):
        known = set(others)
        missing = [name for name in names if name not in known]
        if missing:
            only = "one question" if len(missing) == 1 else f"{len(missing)} questions"
            raise UsageError(
                f"records {one.path} and {other.path} have different questions: "
                f"{only} only in {where.path}, {missing[0]} to begin with"
            )
    body = "SELECT body FROM questions WHERE id = ?"
    for name in mine:
        if one.query(body, (name,)) != other.query(body, (name,)):
            raise UsageError(f"question {name} reads otherwise in record {other.path} than in {one.path}")


@dataclass(frozen=True)
class Curves:
    """One method with its settings, over all its seeds. Intervals are over questions, seeds averaged within each."""

    label: str  # the method and its settings, as far as they tell it from the others
    method: str  # name of the method
    seeds: tuple[int, ...]  # seeds of its runs
    simulated: bool  # True if no language model was asked
    populations: Sequence[PopulationSummary]  # one entry a population
    answer: Estimate | None  # accuracy of the method's own answer; None without gold answers
    costs: Sequence[Cost]  # mean costs of a question up to each population
    counts: Aggregations | None  # aggregations by their right parents; None where nothing was aggregated
    trajectory: Trajectory | None  # accuracies that r_c predicts; None where not every later member is an aggregation

    @property
    def uniform(self) -> bool:
        """Return True if the answer is any member of the last population."""
        return is_uniform(self.method)

    @classmethod
    def of(cls, label: str, records: Sequence[Record], read: Iterable[Iterable[QuestionOutcome]]) -> Curves:
        """Return the curves of records that differ in nothing but the seed; ``read``: `answered` of each."""
        questions = list(chain.from_iterable(read))
        by_record = [found for record in records if (found := costs_by_population(record))]
        costs = [mean_cost(costs) for costs in zip(*by_record, strict=True)]
        counts = aggregations(records[0], questions) if questions else None
        first = records[0].configuration
        return cls(
            label=label,
            method=first["method"]["name"],
            seeds=tuple(record.configuration["seed"] for record in records),
            simulated=str(first["model"]).startswith("simulated"),
            populations=populations_of(questions),
            answer=answer_accuracy(questions),
            costs=costs,
            counts=counts,
            trajectory=trajectory(records[0], counts, costs) if counts else None,
        )


def curves(records: Sequence[Record]) -> list[Curves]:
    """Return the curves of each method among the records.

    Raises:
        UsageError: Two seeds of one method have different questions, or two records are the same run.
    """
    groups = [[records[number] for number in group] for group in together(records)]
    identities = [_identity(group[0]) for group in groups]
    if any(identity in identities[:place] for place, identity in enumerate(identities)):
        raise UsageError("two of the records are the same run, with the same settings and seed")
    labels = labels_for([settings_of(group[0]) for group in groups])
    found = []
    for label, group in zip(labels, groups, strict=True):
        for other in group[1:]:
            check_same_questions(group[0], other)
        source = f", {group[0].configuration.get('source', '')}" if labels.count(label) > 1 else ""
        found.append(Curves.of(label + source, group, map(answered, group)))
    return found
