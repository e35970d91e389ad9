"""Records side by side: which belong together, what each method came to, and the verdicts on their differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from selfagg.analysis.compare import Curves, MethodResult, compare, together
from selfagg.analysis.labels import labels_for, settings_of
from selfagg.analysis.member_outcomes import QuestionOutcome
from selfagg.analysis.statistics import PairedComparison
from selfagg.errors import UsageError
from selfagg.html_report.figures import method_figures, triple
from selfagg.record.record import Record


def compared(records: Sequence[Record], told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the comparison of several records; also give each of ``told`` its ``label`` and ``colour``.

    Records that differ in nothing but the seed are one method and have one colour.
    """
    groups = together(records)
    names = _names([records[group[0]] for group in groups])
    for colour, (group, name) in enumerate(zip(groups, names, strict=True)):
        for number in group:
            label = name if len(group) == 1 else f"{name}, seed {told[number]['seed']}"
            told[number].update(label=label, colour=colour)
    if len(records) == 1:
        return {"entries": [], "comparisons": [], "notes": []}
    try:
        comparison = compare(records)
    except UsageError as error:
        return {"entries": [], "comparisons": [], "notes": [f"No comparison: {error}."]}
    entries = [
        _entry(entry, name, told[group[0]])
        for entry, name, group in zip(comparison.entries, names, groups, strict=True)
    ]
    verdicts = [
        _verdict(entry.difference, name, names[0])
        for entry, name in zip(comparison.entries, names, strict=True)
        if entry.difference is not None
    ]
    return {
        "entries": entries,
        "comparisons": verdicts,
        "notes": _notes(comparison.questions, comparison.questions_total),
    }


def methods(records: Sequence[Record], read: Sequence[Sequence[QuestionOutcome]]) -> list[dict[str, Any]]:
    """Return the methods for the page: one entry a method, its seeds pooled.

    Args:
        records: The records.
        read: `answered` of each.
    """
    groups = together(records)
    drawn = []
    for colour, (group, name) in enumerate(zip(groups, _names([records[group[0]] for group in groups]), strict=True)):
        same, own = [records[number] for number in group], [read[number] for number in group]
        label = name if len(group) == 1 else f"{name}, {len(group)} seeds"
        figures = method_figures(Curves.of(label, same, own), same[0], [one for questions in own for one in questions])
        drawn.append(figures | {"colour": colour})
    return drawn


def _notes(questions: int, total: int) -> list[str]:
    notes = [
        "Intervals and tests are over questions, several seeds averaged within each; differences are paired by "
        "question, and their p-values corrected for the number of comparisons (Holm)."
    ]
    if questions < total:
        notes.append(f"Compared on the {questions} of {total} questions that have a gold answer and are done in all.")
    return notes


def _entry(entry: MethodResult, name: str, first: dict[str, Any]) -> dict[str, Any]:
    cost = entry.cost
    return {
        "label": name,
        **{key: first[key] for key in ("setting", "model", "simulated")},
        "seeds": list(entry.seeds),
        "accuracy": triple(entry.accuracy),
        "over_seeds": entry.over_seeds,
        "cost": {
            "calls": cost.calls,
            "completion": cost.completion if cost.told else None,
            "total": cost.tokens,
            "seconds": cost.seconds,
        },
    }


def _verdict(found: PairedComparison, name: str, reference: str) -> dict[str, Any]:
    return {
        "a": name,
        "b": reference,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p_value,
        "smallest": found.smallest_detectable,
        "verdict": found.verdict,
        "questions": found.n_questions,
        "how": found.method,
    }


def _names(records: Sequence[Record]) -> list[str]:
    """Return a name for each: its method where that is enough, else with the settings that tell it from the others."""
    settings = [settings_of(record) for record in records]
    methods = Counter(one["name"] for one in settings)
    return [
        one["name"] if methods[one["name"]] == 1 else label
        for one, label in zip(settings, labels_for(settings), strict=True)
    ]
