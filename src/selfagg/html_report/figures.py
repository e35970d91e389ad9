"""The numbers of the page: each record, each method with its seeds pooled, and the verdicts on their differences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from selfagg.analysis.aggregation import Aggregations, ancestry, transitions
from selfagg.analysis.comparison import Compared, Curves, Read, comparison
from selfagg.analysis.costs import Cost, chain_seconds
from selfagg.analysis.labels import grouped, plural
from selfagg.analysis.member_outcomes import QuestionOutcome
from selfagg.analysis.missing import usage_json
from selfagg.analysis.statistics import Estimate, for_json
from selfagg.analysis.summary import PopulationSummary, summarise
from selfagg.analysis.trajectory import Trajectory
from selfagg.errors import UsageError
from selfagg.record.record import Record


def record_figures(record: Record, questions: Sequence[QuestionOutcome]) -> dict[str, Any]:
    """Return the page's figures of one record besides its questions; ``questions``: `answered` of it."""
    summary, configuration = summarise(record, questions), record.configuration
    replied = summary.answer_replied
    more = {"failed": f"; without them its answer is right in {100 * replied.mean:.1f} %" if replied else ""}
    lacking = summary.missing.lines()
    return {
        "setting": _setting(configuration),
        "seed": configuration.get("seed"),
        "model": summary.model,
        "simulated": summary.simulated,
        "source": configuration.get("source", ""),
        "done": summary.questions,
        "answer": _triple(summary.answer_accuracy),
        "calls": summary.calls,
        "usage": usage_json(summary.usage, summary.missing.replies),
        "missing": [f"{word.capitalize()}: {sentence}{more.get(word, '')}." for word, sentence in lacking],
        "seconds": summary.seconds,
        "populations": [_population(population, summary.questions) for population in summary.populations],
    }


def compared(records: Sequence[Record], read: Read, told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the methods and the comparison of records; also give each of ``told`` its ``label`` and ``colour``.

    Records that differ in nothing but the seed are one method and have one colour.

    Args:
        records: The records.
        read: `answered` of each.
        told: `record_figures` of each.
    """
    found, notes = None, []
    if len(records) > 1:
        try:
            found = comparison(records, read=read)
        except UsageError as error:
            notes = [f"No comparison: {error}."]
    groups = grouped(records, by_source=found is None)
    known = Counter(group.settings["name"] for group in groups)
    names = [group.settings["name"] if known[group.settings["name"]] == 1 else group.label for group in groups]
    methods = []
    for colour, (group, name) in enumerate(zip(groups, names, strict=True)):
        many = len(group.places) > 1
        for place in group.places:
            told[place].update(label=f"{name}, seed {told[place]['seed']}" if many else name, colour=colour)
        label = f"{name}, {plural(len(group.places), 'seed')}" if many else name
        own = [records[place] for place in group.places], [read[place] for place in group.places]
        methods.append(_method(label, *own) | {"colour": colour})
    between = {"entries": [], "comparisons": [], "notes": notes}
    if found:
        between = _comparison(found, names, [told[group.places[0]] for group in groups])
    return {"methods": methods, **between}


def _comparison(found: Compared, names: Sequence[str], first: Sequence[dict[str, Any]]) -> dict[str, Any]:
    entries = [
        {
            "label": name,
            **{key: told[key] for key in ("setting", "model", "simulated")},
            "seeds": list(entry.seeds),
            "accuracy": _triple(entry.accuracy),
            "over_seeds": entry.over_seeds,
            "cost": _cost(entry.cost),
        }
        for entry, name, told in zip(found.entries, names, first, strict=True)
    ]
    verdicts = [
        {
            "a": name,
            "b": names[0],
            **for_json(pair, "difference low high verdict"),
            "p": pair.p_value,
            "smallest": pair.smallest_detectable,
            "questions": pair.n_questions,
            "how": pair.method,
        }
        for entry, name in zip(found.entries, names, strict=True)
        if (pair := entry.difference) is not None
    ]
    notes = [
        "Intervals and tests are over questions, several seeds averaged within each; differences are paired by "
        "question, and their p-values corrected for the number of comparisons (Holm)."
    ]
    if found.questions < found.questions_total:
        of = f"{found.questions:,} of {plural(found.questions_total, 'question')}"
        notes.append(f"Compared on the {of} that have a gold answer and are done in all.")
    return {"entries": entries, "comparisons": verdicts, "notes": notes}


def _method(label: str, records: Sequence[Record], read: Read) -> dict[str, Any]:
    """Return the page's figures of one method, its seeds pooled."""
    curves = Curves.of(label, records, read)
    questions = [one for own in read for one in own]
    seconds = (one if math.isfinite(one) else 0.0 for one in chain_seconds(records[0], questions))
    costs = [_cost(cost) | {"chain": chain} for cost, chain in zip(curves.costs, seconds, strict=True)]
    populations = curves.populations
    return {
        "label": label,
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
            f"By r_c, further populations after population {predicted.enough} gain less than "
            f"{100 * predicted.least_gain:g} point of accuracy each: not worth their tokens."
        )
    gained, lost, died_out, rescued = (
        sum(getattr(step, name) for step in changes) for name in ("gained_count", "lost_count", "died_out", "rescued")
    )
    findings = [
        f"Against the vote of their own candidates, {plural(gained, 'aggregation')} turned wrong into right and "
        f"{lost:,} right into wrong.",
        f"From one population to the next, a question lost its last right answer {_times(died_out)}; one without a "
        f"right answer got one {_times(rescued)}.",
        f"A member of population {last.t} descends from {last.reached:.0%} of the first population; behind all of "
        f"them stand as many first members as {last.effective:.1f} independent ones.",
        worth,
    ]
    return {"r": rates, "predicted": steps, "findings": findings}


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _population(population: PopulationSummary, questions: int) -> dict[str, Any]:
    return {
        "accuracy": _triple(population.accuracy),
        "pass_at_n": _triple(population.pass_at_n),
        "majority": _triple(population.majority),
        **for_json(population, "t distinct entropy mean_tokens"),
        "unanswered_share": population.unanswered / (questions * population.size or 1),
    }


def _pass_at_k(population: PopulationSummary) -> list[list[float]] | None:
    """Return ``[k, mean, low, high]`` for k = 1, 2, 4 and so on up to the population's size."""
    return [[k, *(_triple(found) or [])] for k, found in population.pass_at_powers().items()] or None


def _triple(estimate: Estimate | None) -> list[float] | None:
    return None if estimate is None else [round(value, 6) for value in (estimate.mean, estimate.low, estimate.high)]


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
