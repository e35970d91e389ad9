"""Records side by side: which belong together, what each method came to, and the verdicts on their differences."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from selfagg.analysis.compare import Entry, compare
from selfagg.analysis.labels import labels_for, settings_of
from selfagg.analysis.statistics import PairedComparison
from selfagg.engine.record import Record
from selfagg.errors import UsageError
from selfagg.report.figures import triple


def compared(records: Sequence[Record], told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the comparison of several records; give each of ``told`` its ``label``, ``colour`` and ``first``.

    Records that differ in nothing but the seed are one method and have one colour; ``first`` says which of them
    stands for it where all would be too many.
    """
    together = _together(records)
    names = _names([records[group[0]] for group in together])
    for colour, (group, name) in enumerate(zip(together, names, strict=True)):
        for place, number in enumerate(group):
            label = name if len(group) == 1 else f"{name}, seed {told[number]['seed']}"
            told[number].update(label=label, colour=colour, first=place == 0)
    if len(records) == 1:
        return {"entries": [], "comparisons": [], "notes": []}
    try:
        comparison = compare(records)
    except UsageError as error:
        return {"entries": [], "comparisons": [], "notes": [f"No comparison: {error}."]}
    entries = [
        _entry(entry, name, told[group[0]])
        for entry, name, group in zip(comparison.entries, names, together, strict=True)
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


def _notes(questions: int, total: int) -> list[str]:
    notes = [
        "Intervals and tests are over questions, several seeds averaged within each; differences are paired by "
        "question, and their p-values corrected for the number of comparisons (Holm)."
    ]
    if questions < total:
        notes.append(f"Compared on the {questions} of {total} questions that have a gold answer and are done in all.")
    return notes


def _entry(entry: Entry, name: str, first: dict[str, Any]) -> dict[str, Any]:
    cost = entry.cost
    return {
        "label": name,
        **{key: first[key] for key in ("setting", "model", "simulated")},
        "seeds": list(entry.seeds),
        "accuracy": triple(entry.accuracy),
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


def _together(records: Sequence[Record]) -> list[list[int]]:
    """Return numbers of the records that differ in nothing but the seed, in the order of the first of each."""
    groups: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        groups.setdefault(json.dumps(settings_of(record), sort_keys=True), []).append(number)
    return list(groups.values())


def _names(records: Sequence[Record]) -> list[str]:
    """Return a name for each: its method where that is enough, else with the settings that tell it from the others."""
    settings = [settings_of(record) for record in records]
    methods = Counter(one["name"] for one in settings)
    return [
        one["name"] if methods[one["name"]] == 1 else label
        for one, label in zip(settings, labels_for(settings), strict=True)
    ]
