"""Methods on the same questions, each over all its seeds: accuracy, cost, curves, and whether a difference is noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from selfagg._internal.extras import extras_named
from selfagg.analysis.aggregation import Aggregations, aggregations
from selfagg.analysis.costs import Cost, costs_by_population, costs_by_question, mean_cost
from selfagg.analysis.labels import Group, grouped, plural
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

Read = Sequence[Sequence[QuestionOutcome]]
"""`answered` of each of several records."""


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


@dataclass(frozen=True)
class Compared:
    """Methods side by side on the same questions.

    Attributes:
        reference: Label of the entry that the others are set against.
        questions: Questions compared: those with a gold answer that are done and scored in every record.
        questions_total: Questions of the runs.
        entries: One for each method with its settings, over all its seeds, in the order of the records.
        models: The models that answered, each once.
        failures: Calls that failed for good.
        shortened: Candidates that were shortened to fit a model's context.
        records: The records' files; None for one that was not kept.
    """

    reference: str
    questions: int
    questions_total: int
    entries: Sequence[MethodResult]
    models: Sequence[str]
    failures: int
    shortened: int
    records: Sequence[Path | None]

    @property
    def missing(self) -> Missing:
        """Return the missing parts of all runs together."""
        return sum((entry.missing for entry in self.entries), Missing())

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg compare --json`` prints, but for ``where``, which the user named."""
        return {
            **for_json(self, "reference questions questions_total"),
            "entries": [entry.as_json() for entry in self.entries],
            "models": list(self.models),
            "simulated": any(model.startswith("simulated") for model in self.models),
            "failures": self.failures,
            "shortened": self.shortened,
            "records": [None if path is None else str(path) for path in self.records],
        }

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame`` with one row for each method; raise UsageError if pandas is not installed."""
        with extras_named():
            return import_module("pandas").json_normalize(self.to_dict()["entries"])


def comparison(records: Sequence[Record], *, reference: str | None = None, read: Read | None = None) -> Compared:
    """Compare the runs of several records; runs that differ in nothing but the seed are one entry.

    Args:
        records: At least one, all of the same questions.
        reference: Label or method name of the entry to compare with; None: that of the first record.
        read: `answered` of each, where that is there already.

    Raises:
        UsageError: The records are of different questions, no question with a gold answer is done in all of them,
            or no entry is called ``reference``.
    """
    for other in records[1:]:
        check_same_questions(records[0], other)
    known = [
        {one.id: one for one in questions if one.scored and one.worth}
        for questions in (map(answered, records) if read is None else read)
    ]
    names = [name for name in known[0] if all(name in one for one in known)]
    if not names:
        raise UsageError(
            "there is nothing to compare: no question with a gold answer is done and scored in every record"
        )
    groups = grouped(records, by_source=False)
    check_no_twins(groups, records)
    chosen = _reference(reference, groups)
    values = [[over_seeds([known[place][name].worth for place in group.places]) for name in names] for group in groups]
    found = correct_for_many([paired_difference(mine, values[chosen]) for e, mine in enumerate(values) if e != chosen])
    costs = [costs_by_question(record) for record in records]
    missing = [Missing.of(record) for record in records]
    results = []
    for group, mine, difference in zip(groups, values, [*found[:chosen], None, *found[chosen:]], strict=True):
        own = [(place, known[place][name]) for place in group.places for name in names]
        by_seed = tuple(fmean(fmean(known[place][name].worth) for name in names) for place in group.places)
        replied = ([known[place][name].worth_replied for place in group.places] for name in names)
        results.append(
            MethodResult(
                label=group.label,
                method=group.settings["name"],
                seeds=tuple(records[place].configuration["seed"] for place in group.places),
                accuracy=mean_interval(mine),
                by_seed=by_seed,
                over_seeds=stdev(by_seed) if len(by_seed) > 1 else None,
                replied=estimate(map(over_seeds, replied)),
                missing=sum((missing[place] for place in group.places), Missing()),
                cost=mean_cost(costs[place][question.position] for place, question in own),
                difference=difference,
            )
        )
    counted = "SELECT coalesce(sum(error IS NOT NULL AND tries > 0), 0), coalesce(sum(cut), 0) FROM generations"
    failures, shortened = zip(*(record.query(counted)[0] for record in records), strict=True)
    return Compared(
        reference=groups[chosen].label,
        questions=len(names),
        questions_total=records[0].query("SELECT count(*) FROM questions")[0][0],
        entries=results,
        models=list(dict.fromkeys(str(record.configuration["model"]) for record in records)),
        failures=sum(failures),
        shortened=sum(shortened),
        records=[record.path for record in records],
    )


def check_no_twins(groups: Sequence[Group], records: Sequence[Record]) -> None:
    """Raise UsageError if one run is there twice."""
    for group in groups:
        if group.twin:
            seed = records[group.places[0]].configuration["seed"]
            raise UsageError(
                f"two of the records are the same run: {group.settings['name']} with its settings and seed {seed}"
            )


def _reference(asked: str | None, groups: Sequence[Group]) -> int:
    if asked is None:
        return 0
    found = [place for place, group in enumerate(groups) if asked in (group.label, group.settings["name"])]
    if len(found) == 1:
        return found[0]
    why = f"there are {len(found)} entries" if found else "there is no entry"
    labels = ", ".join(repr(group.label) for group in groups)
    raise UsageError(f"{why} called {asked!r} to compare with; there are {labels}")


def check_same_questions(one: Record, other: Record) -> None:
    """Check that two records are of the same questions.

    Raises:
        UsageError: One has a question that the other lacks, or that reads otherwise there.
    """
    mine, theirs = (dict(record.query("SELECT id, body FROM questions")) for record in (one, other))
    for has, lacks, where in ((mine, theirs, one), (theirs, mine, other)):
        if missing := [name for name in has if name not in lacks]:
            raise UsageError(
                f"records {one.path} and {other.path} have different questions: "
                f"{plural(len(missing), 'question')} only in {where.path}, {missing[0]} to begin with"
            )
    for name, body in mine.items():
        if theirs[name] != body:
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
    def of(cls, label: str, records: Sequence[Record], read: Read | None = None) -> Curves:
        """Return the curves of records that differ in nothing but the seed; ``read``: `answered` of each."""
        questions = list(chain.from_iterable(map(answered, records) if read is None else read))
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
    groups = grouped(records, by_source=True)
    check_no_twins(groups, records)
    for first, *others in (group.places for group in groups):
        for other in others:
            check_same_questions(records[first], records[other])
    return [Curves.of(group.label, [records[place] for place in group.places]) for group in groups]
