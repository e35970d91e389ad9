"""A comparison of methods on the same questions: accuracy, cost, and a test whether a difference is more than noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from selfagg.analysis.costs import Cost, costs_by_question, mean_cost
from selfagg.analysis.labels import labels_for, settings_of
from selfagg.analysis.member_outcomes import answered
from selfagg.analysis.missing import Missing
from selfagg.analysis.population import estimate, mean, over_seeds
from selfagg.analysis.statistics import (
    Estimate,
    PairedComparison,
    correct_for_many,
    mean_interval,
    paired_difference,
)
from selfagg.errors import UsageError
from selfagg.record.record import Record


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method with its settings, over all its seeds.

    Attributes:
        label: Name and settings, as far as they tell it from the others.
        method: Name of the method.
        seeds: Seeds of its runs, one for each record.
        accuracy: Accuracy of its own answer. Runs with several seeds are averaged within each question, so
            that the interval is still one over questions.
        by_seed: The accuracy of each seed, in their order.
        over_seeds: Standard deviation of these; None for one seed.
        replied: The same, members without a reply left out.
        missing: Missing parts of its runs.
        cost: Mean cost of a question.
        difference: Its accuracy minus the reference's, paired by question, with p-value and verdict corrected for
            the number of comparisons (Holm). None for the reference itself.
    """

    label: str
    method: str
    seeds: tuple[int, ...]
    accuracy: Estimate
    by_seed: tuple[float, ...]
    over_seeds: float | None
    replied: Estimate | None
    missing: Missing
    cost: Cost
    difference: PairedComparison | None

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
                "p_value": found.p_value,
                "smallest_detectable": found.smallest_detectable,
                "verdict": found.verdict,
                "method": found.method,
            },
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Methods on the same questions.

    Attributes:
        reference: Label of the entry that the others are set against.
        entries: The methods, in the order in which their records were given.
        questions: Questions compared: those with a gold answer that are done and scored in every record.
        questions_total: Questions of the runs.
    """

    reference: str
    entries: Sequence[MethodResult]
    questions: int
    questions_total: int

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as an object for JSON."""
        return {
            "reference": self.reference,
            "questions": self.questions,
            "questions_total": self.questions_total,
            "entries": [entry.as_json() for entry in self.entries],
        }


def compare(
    records: Sequence[Record], *, reference: str | None = None, until: Sequence[int | None] | None = None
) -> Comparison:
    """Compare the runs of several records; runs that differ in nothing but the seed are one entry.

    Args:
        records: At least one, all of the same questions.
        reference: Label or method name of the entry to compare with; None: that of the first record.
        until: For each record how many of its populations count, as if the run had no more; None: all.

    Raises:
        UsageError: The records are of different questions, no question with a gold answer is done in all of them,
            or no entry is called ``reference``.
    """
    for other in records[1:]:
        check_same_questions(records[0], other)
    runs = [_run(record, end) for record, end in zip(records, until or [None] * len(records), strict=True)]
    names = [name for name in runs[0].worth if all(name in run.worth for run in runs)]
    if not names:
        raise UsageError(
            "there is nothing to compare: no question with a gold answer is done and scored in every record"
        )
    entries = _entries(runs)
    labels = labels_for([same[0].settings for same in entries])
    chosen = _reference(reference, labels, [same[0].settings["name"] for same in entries])
    values = [[over_seeds([run.worth[name] for run in same]) for name in names] for same in entries]
    by_seed = [tuple(fmean(fmean(run.worth[name]) for name in names) for run in same) for same in entries]
    found = correct_for_many([paired_difference(mine, values[chosen]) for e, mine in enumerate(values) if e != chosen])
    differences = [*found[:chosen], None, *found[chosen:]]
    ((questions,),) = records[0].query("SELECT count(*) FROM questions")
    return Comparison(
        reference=labels[chosen],
        entries=[
            MethodResult(
                label=label,
                method=same[0].settings["name"],
                seeds=tuple(run.seed for run in same),
                accuracy=mean_interval(mine),
                by_seed=each,
                over_seeds=stdev(each) if len(each) > 1 else None,
                replied=estimate(over_seeds([run.replied[name] for run in same]) for name in names),
                missing=sum((run.missing for run in same), Missing()),
                cost=mean_cost(run.cost[name] for run in same for name in names),
                difference=difference,
            )
            for label, same, mine, each, difference in zip(labels, entries, values, by_seed, differences, strict=True)
        ],
        questions=len(names),
        questions_total=questions,
    )


@dataclass(frozen=True, slots=True)
class _RecordedRun:
    """One record, as far as a comparison needs it; what it has of questions goes by their names."""

    settings: Mapping[str, Any]
    seed: int
    worth: Mapping[str, list[float]]
    replied: Mapping[str, list[float]]
    missing: Missing
    cost: Mapping[str, Cost]


def _run(record: Record, until: int | None) -> _RecordedRun:
    costs = costs_by_question(record, until)
    worth: dict[str, list[float]] = {}
    replied: dict[str, list[float]] = {}
    cost: dict[str, Cost] = {}
    for question in answered(record, until):
        if question.scored and (found := question.worth):
            worth[question.id], replied[question.id] = found, question.worth_replied
            cost[question.id] = costs[question.position]
    return _RecordedRun(
        settings_of(record, until), record.configuration["seed"], worth, replied, Missing.of(record), cost
    )


def _entries(runs: Sequence[_RecordedRun]) -> list[list[_RecordedRun]]:
    """Gather the runs that differ in nothing but the seed.

    Raises:
        UsageError: Two of them have the same seed too: one run counted twice would pass for two.
    """
    entries: list[list[_RecordedRun]] = []
    for run in runs:
        for same in entries:
            if same[0].settings == run.settings:
                if any(run.seed == other.seed for other in same):
                    name = run.settings["name"]
                    raise UsageError(
                        f"two of the records are the same run: {name} with its settings and seed {run.seed}"
                    )
                same.append(run)
                break
        else:
            entries.append([run])
    return entries


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
    mine, theirs = (dict(record.query("SELECT id, position FROM questions")) for record in (one, other))
    for names, others, where in ((mine, theirs, one), (theirs, mine, other)):
        missing = [name for name in names if name not in others]
        if missing:
            only = "one question" if len(missing) == 1 else f"{len(missing)} questions"
            raise UsageError(
                f"records {one.path} and {other.path} have different questions: "
                f"{only} only in {where.path}, {missing[0]} to begin with"
            )
    for name, position in mine.items():
        if _body(one, position) != _body(other, theirs[name]):
            raise UsageError(f"question {name} reads otherwise in record {other.path} than in {one.path}")


def _body(record: Record, position: int) -> str:
    ((body,),) = record.query("SELECT body FROM questions WHERE position = ?", (position,))
    return str(body)
