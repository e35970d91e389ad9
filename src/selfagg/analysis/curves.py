"""The curves of a method: its runs with several seeds as one, with intervals over seeds and questions together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from selfagg.analysis.aggregation import Aggregations, aggregations
from selfagg.analysis.compare import check_same_questions
from selfagg.analysis.costs import Cost, costs_by_population, mean_cost
from selfagg.analysis.labels import labels_for, settings_of
from selfagg.analysis.member_outcomes import QuestionOutcome, answered
from selfagg.analysis.population import PopulationSummary, Tallies
from selfagg.analysis.statistics import Estimate
from selfagg.analysis.trajectory import Trajectory, trajectory
from selfagg.errors import UsageError
from selfagg.methods import is_uniform
from selfagg.record.record import Record


@dataclass(frozen=True)
class Curves:
    """One method with its settings, over all its seeds. Intervals are over questions, the seeds averaged within each.

    Attributes:
        label: The method and its settings, as far as they tell it from the others.
        method: Name of the method.
        seeds: Seeds of its runs.
        simulated: True if no language model was asked.
        populations: One entry a population.
        answer: Accuracy of the method's own answer; None without gold answers.
        costs: Mean costs of a question up to each population.
        counts: Aggregations by their right parents; None where nothing was aggregated.
        trajectory: The accuracies that r_c predicts; None where not every later member is an aggregation.
    """

    label: str
    method: str
    seeds: tuple[int, ...]
    simulated: bool
    populations: Sequence[PopulationSummary]
    answer: Estimate | None
    costs: Sequence[Cost]
    counts: Aggregations | None
    trajectory: Trajectory | None

    @property
    def uniform(self) -> bool:
        """Return True if the answer is any member of the last population."""
        return is_uniform(self.method)

    @classmethod
    def of(cls, label: str, records: Sequence[Record], read: Sequence[Sequence[QuestionOutcome]]) -> Curves:
        """Return the curves of records that differ in nothing but the seed.

        Args:
            label: Their name.
            records: At least one.
            read: `answered` of each.
        """
        questions = list(chain.from_iterable(read))
        tallies = Tallies()
        for question in questions:
            tallies.add(question)
        by_seed = [found for record in records if (found := costs_by_population(record))]
        costs = [mean_cost(costs) for costs in zip(*by_seed, strict=True)]
        counts = aggregations(records[0], questions) if questions else None
        first = records[0].configuration
        return cls(
            label=label,
            method=first["method"]["name"],
            seeds=tuple(record.configuration["seed"] for record in records),
            simulated=str(first["model"]).startswith("simulated"),
            populations=tallies.populations(),
            answer=tallies.answer_accuracy(),
            costs=costs,
            counts=counts,
            trajectory=trajectory(records[0], counts=counts, costs=costs) if counts else None,
        )


def curves(records: Sequence[Record]) -> list[Curves]:
    """Return the curves of each method among the records.

    Raises:
        UsageError: Two seeds of one method have different questions, or two records are the same run.
    """
    groups = [[records[number] for number in group] for group in together(records)]
    if len({_identity(group[0]) for group in groups}) < len(groups):
        raise UsageError("two of the records are the same run, with the same settings and seed")
    labels = labels_for([settings_of(group[0]) for group in groups])
    found = []
    for label, group in zip(labels, groups, strict=True):
        for other in group[1:]:
            check_same_questions(group[0], other)
        sources = [group[0].configuration.get("source", "")] if labels.count(label) > 1 else []
        found.append(Curves.of(", ".join([label, *sources]), group, [list(answered(record)) for record in group]))
    return found


def together(records: Sequence[Record]) -> list[list[int]]:
    """Return the numbers of the records that differ in nothing but the seed, in the order of the first of each.

    A second record of one seed stands apart: one run counted twice would pass for two.
    """
    groups: dict[tuple[str, int], dict[int, int]] = {}
    for number, record in enumerate(records):
        settings, copy, seed = _identity(record), 0, record.configuration["seed"]
        while seed in groups.get((settings, copy), {}):
            copy += 1
        groups.setdefault((settings, copy), {})[seed] = number
    return [list(seeds.values()) for seeds in groups.values()]


def _identity(record: Record) -> str:
    return json.dumps({**settings_of(record), "source": record.configuration.get("source")}, sort_keys=True)
