"""All that a record tells about its run, in one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from selfagg.analysis.costs import chain_seconds
from selfagg.analysis.member_outcomes import QuestionOutcome, answered
from selfagg.evaluation.evaluate import Evaluation
from selfagg.record.record import Record

if TYPE_CHECKING:  # the class is there without the packages of the extra eval, which what it reads with needs
    from selfagg.analysis.aggregation import Aggregations, Ancestry, Transition
    from selfagg.analysis.shadow import Shadow
    from selfagg.analysis.summary import GroupSummary, PopulationSummary
    from selfagg.analysis.trajectory import Trajectory


@dataclass(frozen=True)
class Analysis:
    """The analysis of one run; see `selfagg.analyze`.

    Attributes:
        evaluation: Populations, answer, costs and questions.
        seed: The run's seed.
        source: The origin of the questions.
        chain_seconds: Seconds until each population is there on an idle model, as a mean over questions.
        transitions: Questions that gained or lost their right answers, from each population to the next.
        fates: Ids of the questions whose right answers ``died_out``, were ``rescued`` or came ``never_right``, and of
            those with ``no_reply`` or ``unscored`` members.
        aggregations: Share of right aggregations of c right candidates; None where nothing was aggregated.
        trajectory: Accuracies of further populations, as predicted; None where nothing was aggregated.
        ancestry: Number of first members left in each population's ancestry.
        groups: The same numbers, task by task.
        shadow: Savings and costs of other settings; None without a question about any.
    """

    evaluation: Evaluation
    seed: int
    source: str
    chain_seconds: Sequence[float]
    transitions: Sequence[Transition]
    fates: dict[str, list[str]]
    aggregations: Aggregations | None
    trajectory: Trajectory | None
    ancestry: Sequence[Ancestry]
    groups: Sequence[GroupSummary]
    shadow: Shadow | None = None

    @classmethod
    def of(cls, record: Record) -> Analysis:
        """Return the analysis of an open record."""
        from selfagg.analysis.aggregation import aggregations, ancestry, transitions
        from selfagg.analysis.summary import summarise_groups
        from selfagg.analysis.trajectory import trajectory

        questions = list(answered(record))  # read once: a record's outcomes are small, its texts are not
        counts = aggregations(record, questions)
        evaluation = Evaluation.of(record, questions)
        return cls(
            evaluation=evaluation,
            seed=record.configuration["seed"],
            source=record.configuration["source"],
            chain_seconds=chain_seconds(record, questions),
            transitions=transitions(record, questions),
            fates=_fates(record, questions),
            aggregations=counts,
            trajectory=trajectory(record, counts) if counts else None,
            ancestry=ancestry(record, questions) if len(evaluation.populations) > 1 else [],
            groups=summarise_groups(record, questions),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg analyze --json`` prints."""
        from selfagg.analysis.statistics import for_json, interval

        run, counts = self.evaluation, self.aggregations
        return {
            "run": {**run.to_dict(), "seed": self.seed, "source": self.source},
            "populations": [
                {**_population(population), "cost": cost.as_json(), "chain_seconds": chain}
                for population, cost, chain in zip(run.populations, run.costs, self.chain_seconds, strict=True)
            ],
            "transitions": [
                {**for_json(step), "lost_interval": interval(step.lost), "gained_interval": interval(step.gained)}
                for step in self.transitions
            ],
            "fates": self.fates,
            "r_c": counts.as_json() if counts else [],
            "trajectory": self.trajectory and self.trajectory.as_json(),
            "ancestry": [for_json(one) for one in self.ancestry],
            "groups": [_group(group) for group in self.groups] if len(self.groups) > 1 else [],
            "shadow": self.shadow and self.shadow.to_dict(),
        }


def _population(population: PopulationSummary) -> dict[str, Any]:
    from selfagg.analysis.statistics import interval

    return {
        **population.as_json(),
        "size": population.size,
        "pass_at_k": {str(k): chance.mean for k, chance in population.pass_at_powers().items()},
        "majority_interval": interval(population.majority),
        "replies_cut": population.replies_cut,
        "token_quantiles": {str(share): length for share, length in population.token_quantiles.items()},
    }


def _group(group: GroupSummary) -> dict[str, Any]:
    from selfagg.analysis.statistics import interval, mean

    return {
        "group": group.group,
        "questions": group.questions,
        "accuracies": [mean(population.accuracy) for population in group.populations],
        "majority": mean(group.populations[-1].majority),
        "answer_accuracy": mean(group.answer_accuracy),
        "answer_interval": interval(group.answer_accuracy),
    }


def _fates(record: Record, questions: Sequence[QuestionOutcome]) -> dict[str, list[str]]:
    """Return the questions whose right answers died out, were rescued or never came, and those nothing is known of."""
    from selfagg.analysis.aggregation import fates

    found = fates(record, questions)
    silent = [q.id for q in questions if all(m.failed for population in q.populations for m in population)]
    return {
        "died_out": [fate.id for fate in found if fate.died_out and not fate.right[-1]],
        "rescued": [fate.id for fate in found if fate.rescued and fate.right[-1]],
        "never_right": [fate.id for fate in found if not any(fate.right) and fate.id not in silent],
        "no_reply": silent,
        "unscored": [question.id for question in questions if question.scored and not question.whole],
    }
