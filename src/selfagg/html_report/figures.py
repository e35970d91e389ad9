"""The numbers of the page: each record, each method with its seeds pooled, and the verdicts on their differences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from selfagg.analysis.aggregation import Aggregations, ancestry, transitions
from selfagg.analysis.compare import Comparison, Curves, compare, together
from selfagg.analysis.costs import Cost, chain_seconds, costs_by_population
from selfagg.analysis.labels import labels_for, settings_of
from selfagg.analysis.member_outcomes import QuestionOutcome
from selfagg.analysis.missing import usage_json
from selfagg.analysis.statistics import Estimate, for_json
from selfagg.analysis.summary import PopulationSummary, Summary, summarise
from selfagg.analysis.trajectory import Trajectory
from selfagg.errors import UsageError
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
        "answer": _triple(summary.answer_accuracy),
        "calls": summary.calls,
        "usage": usage_json(summary.usage, summary.missing.replies),
        "missing": _missing(summary),
        "seconds": summary.seconds,
        "failures": summary.failures,
        "cost": _cost(costs[-1]) if costs else None,
        "populations": [_population(population, summary.questions) for population in summary.populations],
    }


def compared(
    records: Sequence[Record], read: Sequence[Sequence[QuestionOutcome]], told: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the methods and the comparison of records; also give each of ``told`` its ``label`` and ``colour``.

    Records that differ in nothing but the seed are one method and have one colour.

    Args:
        records: The records.
        read: `answered` of each.
        told: `record_figures` of each.
    """
    groups = together(records)
    settings = [settings_of(records[group[0]]) for group in groups]
    known = Counter(one["name"] for one in settings)
    names = [
        one["name"] if known[one["name"]] == 1 else label
        for one, label in zip(settings, labels_for(settings), strict=True)
    ]
    methods = []
    for colour, (group, name) in enumerate(zip(groups, names, strict=True)):
        for number in group:
            label = name if len(group) == 1 else f"{name}, seed {told[number]['seed']}"
            told[number].update(label=label, colour=colour)
        own = [records[number] for number in group], [read[number] for number in group]
        methods.append(_method(name if len(group) == 1 else f"{name}, {len(group)} seeds", *own) | {"colour": colour})
    between: dict[str, Any] = {"methods": methods, "entries": [], "comparisons": [], "notes": []}
    if len(records) > 1:
        try:
            between |= _comparison(compare(records), names, [told[group[0]] for group in groups])
        except UsageError as error:
            between["notes"] = [f"No comparison: {error}."]
    return between


def _comparison(found: Comparison, names: Sequence[str], first: Sequence[dict[str, Any]]) -> dict[str, Any]:
    entries, verdicts = [], []
    for entry, name, told in zip(found.entries, names, first, strict=True):
        entries.append(
            {
                "label": name,
                **{key: told[key] for key in ("setting", "model", "simulated")},
                "seeds": list(entry.seeds),
                "accuracy": _triple(entry.accuracy),
                "over_seeds": entry.over_seeds,
                "cost": _cost(entry.cost),
            }
        )
        if (pair := entry.difference) is not None:
            verdicts.append(
                {
                    "a": name,
                    "b": names[0],
                    **for_json(pair, "difference low high"),
                    "p": pair.p_value,
                    "smallest": pair.smallest_detectable,
                    "verdict": pair.verdict,
                    "questions": pair.n_questions,
                    "how": pair.method,
                }
            )
    notes = [
        "Intervals and tests are over questions, several seeds averaged within each; differences are paired by "
        "question, and their p-values corrected for the number of comparisons (Holm)."
    ]
    if found.questions < found.questions_total:
        of = f"{found.questions} of {found.questions_total} questions"
        notes.append(f"Compared on the {of} that have a gold answer and are done in all.")
    return {"entries": entries, "comparisons": verdicts, "notes": notes}


def _method(label: str, records: Sequence[Record], read: Sequence[Sequence[QuestionOutcome]]) -> dict[str, Any]:
    """Return the page's figures of one method, its seeds pooled."""
    curves = Curves.of(label, records, read)
    questions = [one for own in read for one in own]
    seconds = (one if math.isfinite(one) else 0.0 for one in chain_seconds(records[0], questions))
    costs = [_cost(cost) | {"chain": chain} for cost, chain in zip(curves.costs, seconds, strict=True)]
    populations = curves.populations
    return {
        "label": label,
        "simulated": curves.simulated,
        "uniform": curves.uniform,
        "answer": _triple(curves.answer),
        "cost": costs[-1] if costs else None,
        "populations": [
            _population(population, len(questions)) | {"cost": cost}
            for population, cost in zip(populations, costs, strict=True)
        ],
        "pass_at_k": {
            "first": _pass_at_k(populations[0]) if len(populations) > 1 else None,
            "last": _pass_at_k(populations[-1]) if populations else None,
        },
        "transitions": _transitions(curves.counts, curves.trajectory, records[0], questions),
    }


def _transitions(
    counts: Aggregations | None, predicted: Trajectory | None, record: Record, questions: Sequence[QuestionOutcome]
) -> dict[str, Any] | None:
    """Return r_c, the trajectory it predicts, and the findings in words; None for a method without aggregations."""
    if counts is None or predicted is None:
        return None
    tried = counts.tried.sum(axis=(0, 1)).tolist()
    rates = [
        {"c": c, "k": counts.k, "share": _triple(rate), "total": tried[c]}
        for c, rate in enumerate(counts.right_by_parents())
    ]
    steps = [[round(value, 6) for value in (step.predicted, step.low, step.high)] for step in predicted.steps]
    changes = transitions(record, questions)
    last = ancestry(record, questions)[-1]
    worth = f"By r_c, each population up to {len(predicted.steps)} is worth its tokens."
    if predicted.enough is not None:
        worth = (
            f"By r_c, populations after the {_ordinal(predicted.enough)} gain less than "
            f"{100 * predicted.least_gain:g} point of accuracy each: not worth their tokens."
        )
    findings = [
        f"Against the vote of their own candidates, {sum(step.gained_count for step in changes):,} aggregations turned "
        f"wrong into right and {sum(step.lost_count for step in changes):,} right into wrong.",
        f"From one population to the next, {sum(step.died_out for step in changes):,} times a question lost its last "
        f"right answer, and {sum(step.rescued for step in changes):,} times one without a right answer found one.",
        f"A member of population {last.t} descends from {last.reached:.0%} of the first population; behind all of "
        f"them stand as many first members as {last.effective:.1f} independent ones.",
        worth,
    ]
    return {"r": rates, "predicted": steps, "findings": findings}


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 not in (11, 12, 13) else 0, "th")
    return f"{number}{ending}"


def _missing(summary: Summary) -> list[str]:
    """Return the list of what the record lacks, a sentence for each kind."""
    replied = summary.answer_replied
    more = {"failed": f"; without them its answer is right in {100 * replied.mean:.1f} %" if replied else ""}
    return [f"{word.capitalize()}: {sentence}{more.get(word, '')}." for word, sentence in summary.missing.lines()]


def _population(population: PopulationSummary, questions: int) -> dict[str, Any]:
    return {
        **for_json(population, "t carried copies size"),
        "accuracy": _triple(population.accuracy),
        "pass_at_n": _triple(population.pass_at_n),
        "majority": _triple(population.majority),
        "partial": population.partial_credit,
        **for_json(population, "distinct entropy"),
        "unanswered_share": population.unanswered / (questions * population.size or 1),
        "mean_tokens": population.mean_tokens,
    }


def _pass_at_k(population: PopulationSummary) -> list[list[float]] | None:
    """Return ``[k, mean, low, high]`` for k = 1, 2, 4 and so on up to the population's size."""
    return [[k, *_rounded(found)] for k, found in population.pass_at_powers().items()] or None


def _rounded(estimate: Estimate) -> list[float]:
    return [round(value, 6) for value in (estimate.mean, estimate.low, estimate.high)]


def _triple(estimate: Estimate | None) -> list[float] | None:
    return None if estimate is None else _rounded(estimate)


def _cost(cost: Cost) -> dict[str, float | None]:
    completion = cost.completion if cost.told else None
    return {"calls": cost.calls, "completion": completion, "total": cost.tokens, "seconds": cost.seconds}


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
