"""The numbers of the page: what the analysis says of each record, in the form the page's script reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from selfagg.analysis.aggregation import ancestry, transitions
from selfagg.analysis.compare import Curves
from selfagg.analysis.costs import Cost, chain_seconds, costs_by_population
from selfagg.analysis.member_outcomes import QuestionOutcome
from selfagg.analysis.missing import usage_json
from selfagg.analysis.statistics import Estimate
from selfagg.analysis.summary import PopulationSummary, Summary, summarise
from selfagg.analysis.trajectory import Trajectory
from selfagg.record.record import Record


def record_figures(record: Record, questions: Sequence[QuestionOutcome]) -> dict[str, Any]:
    """Return the page's figures of one record besides its questions; ``questions``: `answered` of it."""
    summary = summarise(record, questions)
    configuration = record.configuration
    costs = costs_by_population(record)
    return {
        "method": summary.method,
        "setting": _setting(configuration),
        "seed": configuration.get("seed"),
        "model": summary.model,
        "simulated": summary.simulated,
        "source": configuration.get("source", ""),
        "done": summary.questions,
        "answer": triple(summary.answer_accuracy),
        "calls": summary.calls,
        "usage": usage_json(summary.usage, summary.missing.replies),
        "missing": _missing(summary),
        "seconds": summary.seconds,
        "failures": summary.failures,
        "cost": _cost(costs[-1]) if costs else None,
        "populations": [_population(population, summary.questions) for population in summary.populations],
    }


def method_figures(curves: Curves, record: Record, questions: Sequence[QuestionOutcome]) -> dict[str, Any]:
    """Return the page's figures of one method, its seeds pooled.

    Args:
        curves: The method's numbers.
        record: One of its records.
        questions: `answered` of all of its records, one behind the other.
    """
    chains = chain_seconds(record, questions)
    costs = [_cost(cost) | {"chain": _finite(chain)} for cost, chain in zip(curves.costs, chains, strict=True)]
    populations = curves.populations
    return {
        "label": curves.label,
        "simulated": curves.simulated,
        "uniform": curves.uniform,
        "answer": triple(curves.answer),
        "cost": costs[-1] if costs else None,
        "populations": [
            _population(population, len(questions)) | {"cost": cost}
            for population, cost in zip(populations, costs, strict=True)
        ],
        "pass_at_k": {
            "first": _pass_at_k(populations[0]) if len(populations) > 1 else None,
            "last": _pass_at_k(populations[-1]) if populations else None,
        },
        "transitions": _transitions(curves, record, questions),
    }


def _missing(summary: Summary) -> list[str]:
    """Return the list of what the record lacks, a sentence for each kind."""
    replied = summary.answer_replied
    more = {"failed": f"; without them its answer is right in {100 * replied.mean:.1f} %" if replied else ""}
    return [f"{word.capitalize()}: {sentence}{more.get(word, '')}." for word, sentence in summary.missing.lines()]


def triple(estimate: Estimate | None) -> list[float] | None:
    """Return mean and interval of an estimate."""
    if estimate is None:
        return None
    return [round(value, 6) for value in (estimate.mean, estimate.low, estimate.high)]


def _transitions(curves: Curves, record: Record, questions: Sequence[QuestionOutcome]) -> dict[str, Any] | None:
    """Return r_c, the trajectory it predicts, and the findings in words; None for a method without aggregations."""
    counts, predicted = curves.counts, curves.trajectory
    if counts is None or predicted is None:
        return None
    tried = counts.tried.sum(axis=(0, 1))
    rates = [
        {"c": c, "k": counts.k, "share": triple(rate), "total": int(tried[c])}
        for c, rate in enumerate(counts.right_by_parents())
    ]
    steps = [[round(value, 6) for value in (step.predicted, step.low, step.high)] for step in predicted.steps]
    findings = [*_changes(record, questions), *_descent(record, questions), _worth(predicted)]
    return {"r": rates, "predicted": steps, "findings": findings}


def _changes(record: Record, questions: Sequence[QuestionOutcome]) -> list[str]:
    steps = transitions(record, questions)
    return [
        f"Against the vote of their own candidates, {sum(step.gained_count for step in steps):,} aggregations turned "
        f"wrong into right and {sum(step.lost_count for step in steps):,} right into wrong.",
        f"From one population to the next, {sum(step.died_out for step in steps):,} times a question lost its last "
        f"right answer, and {sum(step.rescued for step in steps):,} times one without a right answer found one.",
    ]


def _descent(record: Record, questions: Sequence[QuestionOutcome]) -> list[str]:
    last = ancestry(record, questions)[-1]
    return [
        f"A member of population {last.t} descends from {last.reached:.0%} of the first population; behind all of "
        f"them stand as many first members as {last.effective:.1f} independent ones."
    ]


def _worth(predicted: Trajectory) -> str:
    if predicted.enough is None:
        return f"By r_c, each population up to {len(predicted.steps)} is worth its tokens."
    return (
        f"By r_c, populations after the {_ordinal(predicted.enough)} gain less than "
        f"{100 * predicted.least_gain:g} point of accuracy each: not worth their tokens."
    )


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 not in (11, 12, 13) else 0, "th")
    return f"{number}{ending}"


def _population(population: PopulationSummary, questions: int) -> dict[str, Any]:
    return {
        "t": population.t,
        "carried": population.carried,
        "copies": population.copies,
        "size": population.size,
        "accuracy": triple(population.accuracy),
        "pass_at_n": triple(population.pass_at_n),
        "majority": triple(population.majority),
        "partial": population.partial_credit,
        "distinct": population.distinct,
        "entropy": population.entropy,
        "unanswered_share": population.unanswered / (questions * population.size or 1),
        "mean_tokens": population.mean_tokens,
    }


def _pass_at_k(population: PopulationSummary) -> list[list[float]] | None:
    """Return ``[k, mean, low, high]`` for k = 1, 2, 4 and so on up to the population's size."""
    ks = [2**power for power in range(population.size.bit_length()) if 2**power < population.size] + [population.size]
    estimates = [(k, triple(population.pass_at(k))) for k in ks]
    return [[k, *found] for k, found in estimates if found is not None] or None


def _cost(cost: Cost) -> dict[str, float | None]:
    return {
        "calls": cost.calls,
        "completion": cost.completion if cost.told else None,
        "total": cost.tokens,
        "seconds": cost.seconds,
    }


def _finite(seconds: float) -> float:
    return seconds if math.isfinite(seconds) else 0.0


def _setting(configuration: dict[str, Any]) -> str:
    method = configuration.get("method", {})
    told = [f"{name.upper()}={method[name]}" for name in ("n", "k", "t") if name in method]
    told += [f"{name} {value}" for name, value in method.items() if name not in ("name", "n", "k", "t", "order")]
    if method.get("order", "random") != "random":
        told.append(f"{method['order']} order")
    if configuration.get("candidate", "response") != "response":
        told.append(f"candidates shown by {configuration['candidate']}")
    if configuration.get("sampling", {}).get("server_defaults"):
        told.append("the server's own sampling")
    return " ".join(told)
