"""`analyze`: all that a record tells about its run, in one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from selfagg._internal.extras import extras_named
from selfagg.analysis.aggregation import (
    FATES,
    Aggregations,
    Ancestry,
    Transition,
    aggregations,
    ancestry,
    fate,
    transitions,
)
from selfagg.analysis.costs import chain_seconds
from selfagg.analysis.member_outcomes import QuestionOutcome, answered
from selfagg.analysis.shadow import Shadow, Shadows
from selfagg.analysis.statistics import for_json, interval, mean
from selfagg.analysis.summary import GroupSummary, summarise_groups
from selfagg.analysis.trajectory import Trajectory, trajectory
from selfagg.errors import UsageError
from selfagg.evaluation.evaluate import Evaluation
from selfagg.evaluation.record_files import RecordPath, opened_record
from selfagg.methods import method_named
from selfagg.record.record import Record


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
        questions = list(answered(record))  # read once: a record's outcomes are small, its texts are not
        counts = aggregations(record, questions)
        evaluation = Evaluation.of(record, questions)
        return cls(
            evaluation=evaluation,
            seed=record.configuration["seed"],
            source=record.configuration["source"],
            chain_seconds=chain_seconds(record, questions),
            transitions=transitions(record, questions),
            fates=_fates(questions),
            aggregations=counts,
            trajectory=trajectory(record, counts) if counts else None,
            ancestry=ancestry(record, questions) if len(evaluation.populations) > 1 else [],
            groups=summarise_groups(record, questions),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg analyze --json`` prints."""
        run, counts = self.evaluation, self.aggregations
        return {
            "run": {**run.to_dict(), "seed": self.seed, "source": self.source},
            "populations": [
                {
                    **population.as_json(),
                    "size": population.size,
                    "pass_at_k": {str(k): chance.mean for k, chance in population.pass_at_powers().items()},
                    "majority_interval": interval(population.majority),
                    "replies_cut": population.replies_cut,
                    "token_quantiles": {str(share): length for share, length in population.token_quantiles.items()},
                    "cost": cost.as_json(),
                    "chain_seconds": chain,
                }
                for population, cost, chain in zip(run.populations, run.costs, self.chain_seconds, strict=True)
            ],
            "transitions": [
                {**for_json(step), "lost_interval": interval(step.lost), "gained_interval": interval(step.gained)}
                for step in self.transitions
            ],
            "fates": self.fates,
            "r_c": counts.as_json() if counts else [],
            "trajectory": self.trajectory and asdict(self.trajectory),
            "ancestry": [for_json(one) for one in self.ancestry],
            "groups": [
                {
                    "group": group.group,
                    "questions": group.questions,
                    "accuracies": [mean(population.accuracy) for population in group.populations],
                    "majority": mean(group.populations[-1].majority),
                    "answer_accuracy": mean(group.answer_accuracy),
                    "answer_interval": interval(group.answer_accuracy),
                }
                for group in self.groups
                if len(self.groups) > 1
            ],
            "shadow": self.shadow and self.shadow.to_dict(),
        }


def _fates(questions: Sequence[QuestionOutcome]) -> dict[str, list[str]]:
    """Return the questions whose right answers died out, were rescued or never came, and those nothing is known of."""
    silent = [q.id for q in questions if all(m.failed for population in q.populations for m in population)]
    known = {q.id: fate(q.right_counts) for q in questions if q.whole and q.id not in silent}
    return {
        **{one.replace(" ", "_"): [name for name, found in known.items() if found == one] for one in FATES},
        "no_reply": silent,
        "unscored": [question.id for question in questions if question.scored and not question.whole],
    }


def analyze(
    record: RecordPath,
    *,
    stop: str | None = None,
    copy: bool | None = None,
    answer: str | None = None,
    n: int | None = None,
    t: int | None = None,
) -> Analysis:
    """Analyze a record: populations, the effect of aggregating, the worth of more of it, and each group.

    With one of the settings below also what they would have saved and cost, without a model: ``Analysis.shadow``.

    Args:
        record: The record of one run.
        stop: The rule that would have ended a question, as ``share:0.875``; see `selfagg.RSA`.
        copy: True if sets of one answer would have been copied.
        answer: ``sample`` or ``majority``: which member of the last population would have been the answer.
        n: Fewer members.
        t: Fewer populations.

    Raises:
        UsageError: The record cannot be read, holds no question that is done, or cannot tell of the settings.
    """
    settings = {"stop": stop, "copy": copy, "answer": answer, "n": n, "t": t}
    asked = {name: value for name, value in settings.items() if value is not None}
    with extras_named(), opened_record(record) as opened:
        analysis = Analysis.of(opened)
        if not analysis.evaluation.summary.questions:
            raise UsageError(f"record {record} holds no question that is done")
        if not asked:
            return analysis
        shadows = Shadows(opened)
        recorded = dict(shadows.recorded.settings())
        return replace(analysis, shadow=shadows.of(method_named(recorded.pop("name"), **(recorded | asked))))
