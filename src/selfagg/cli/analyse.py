"""``selfagg analyse``: what a record tells, on the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selfagg.cli.options import Json
from selfagg.cli.terminal import results, show

if TYPE_CHECKING:
    from selfagg.analysis.aggregation import Aggregations
    from selfagg.analysis.outcomes import Answered
    from selfagg.analysis.population import PopulationSummary
    from selfagg.analysis.statistics import Estimate
    from selfagg.engine.record import Record


def analyse(
    record: Annotated[Path, typer.Argument(help="A record of one run.")],
    as_json: Json = False,
) -> None:
    """Tell what a record holds: its populations, what aggregating did, whether more of it pays, and each group."""
    from selfagg.cli.analysis_tables import analysis_tables
    from selfagg.engine.record import Record as OpenRecord
    from selfagg.errors import UsageError

    with OpenRecord(record, read_only=True) as opened:
        opened.check_run()
        found = analysis_json(opened)
    if not found["run"]["questions"]:
        raise UsageError(f"record {record} holds no question that is done")
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        show(analysis_tables(found), results())


def analysis_json(record: Record) -> dict[str, Any]:
    """The object that ``selfagg analyse --json`` prints."""
    from selfagg.analysis.aggregation import aggregations
    from selfagg.analysis.ancestry import ancestry
    from selfagg.analysis.costs import chain_seconds, costs_by_population
    from selfagg.analysis.outcomes import answered
    from selfagg.analysis.summary import summarise, summarise_groups
    from selfagg.analysis.trajectory import trajectory

    questions = list(answered(record))  # read once: a record's outcomes are small, its texts are not
    summary = summarise(record, questions)
    costs, chains = costs_by_population(record), chain_seconds(record, questions)
    counts = aggregations(record, questions)
    predicted = trajectory(record, counts=counts) if counts else None
    groups = summarise_groups(record, questions)
    return {
        "run": {**summary.as_json(), "seed": record.configuration["seed"], "source": record.configuration["source"]},
        "populations": [
            _population(population) | {"cost": cost.as_json(), "chain_seconds": chain}
            for population, cost, chain in zip(summary.populations, costs, chains, strict=True)
        ],
        "transitions": _transitions(record, questions),
        "fates": _fates(record, questions),
        "r_c": _rates(counts),
        "trajectory": predicted.as_json() if predicted else None,
        "ancestry": [asdict(one) for one in ancestry(record, questions)] if len(summary.populations) > 1 else [],
        "groups": [
            {
                "group": group.group,
                "questions": group.questions,
                "accuracies": [_mean(population.accuracy) for population in group.populations],
                "majority": _mean(group.populations[-1].majority),
                "answer_accuracy": _mean(group.answer_accuracy),
                "answer_interval": _bounds(group.answer_accuracy),
            }
            for group in groups
        ]
        if len(groups) > 1
        else [],
    }


def _population(population: PopulationSummary) -> dict[str, Any]:
    ks = [2**power for power in range(population.size.bit_length()) if 2**power < population.size] + [population.size]
    chances = {k: _mean(population.pass_at(k)) for k in ks}
    return {
        **population.as_json(),
        "size": population.size,
        "pass_at_k": {str(k): chance for k, chance in chances.items() if chance is not None},
        "majority_interval": _bounds(population.majority),
        "replies_cut": population.replies_cut,
        "token_quantiles": {str(share): length for share, length in population.token_quantiles.items()},
    }


def _transitions(record: Record, questions: Sequence[Answered]) -> list[dict[str, Any]]:
    from selfagg.analysis.transitions import transitions

    return [
        {
            **asdict(step),
            "lost": _mean(step.lost),
            "lost_interval": _bounds(step.lost),
            "gained": _mean(step.gained),
            "gained_interval": _bounds(step.gained),
        }
        for step in transitions(record, questions)
    ]


def _fates(record: Record, questions: Sequence[Answered]) -> dict[str, list[str]]:
    """Return the questions whose right answers died out, were rescued or never came, and those nothing is known of."""
    from selfagg.analysis.transitions import fates

    found = fates(record, questions)
    silent = [q.id for q in questions if all(m.failed for population in q.populations for m in population)]
    return {
        "died_out": [fate.id for fate in found if fate.died_out and not fate.right[-1]],
        "rescued": [fate.id for fate in found if fate.rescued and fate.right[-1]],
        "never_right": [fate.id for fate in found if not any(fate.right) and fate.id not in silent],
        "no_reply": silent,
        "unscored": [question.id for question in questions if question.scored and not question.whole],
    }


def _rates(counts: Aggregations | None) -> list[dict[str, Any]]:
    if counts is None:
        return []
    tried: Sequence[int] = counts.tried.sum(axis=(0, 1))
    return [
        {"c": c, "k": counts.k, "share": _mean(rate), "interval": _bounds(rate), "aggregations": int(tried[c])}
        for c, rate in enumerate(counts.right_by_parents())
    ]


def _mean(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.mean


def _bounds(estimate: Estimate | None) -> list[float] | None:
    return None if estimate is None else [estimate.low, estimate.high]
