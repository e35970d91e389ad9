"""The tables that a comparison ends with, drawn from the very values that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from selfagg.analysis.missing import Missing
from selfagg.cli.tables import Columns, counted, interval, number, percent, table
from selfagg.progress_bar import described_model


def comparison_table(found: Mapping[str, Any]) -> Group:
    """Return the results and costs of each method, then the differences of the others from the reference.

    Args:
        found: As `selfagg.evaluation.compared.Compared.to_dict` gives it.
    """
    parts: list[Any] = [Text(_title(found), "bold"), _accuracies(found)]
    others = [entry for entry in found["entries"] if entry["difference"]]
    if others:
        heading = Text(f"\nagainst {found['reference']}, paired by question", "bold")
        parts += [heading, _differences(others)]
    parts.append(Text("\n".join(["", *_notes(found)])))
    return Group(*parts)


def _title(found: Mapping[str, Any]) -> str:
    models = ", ".join(map(described_model, found["models"]))
    return f"{counted(found['questions'], found['questions_total'])} x {_seeds(found)}, {models}"


def _seeds(found: Mapping[str, Any]) -> str:
    counts = sorted({len(entry["seeds"]) for entry in found["entries"]})
    return "1 seed" if counts == [1] else f"{' or '.join(map(str, counts))} seeds"


def _accuracies(found: Mapping[str, Any]) -> Table:
    failed: Columns = {
        "failed": lambda entry: f"{Missing.read(entry['missing']).failed:,}",
        "without them": lambda entry: percent(entry["accuracy_replied"]),
    }
    spread: Columns = {
        "± seeds": lambda entry: "-" if entry["over_seeds"] is None else f"{100 * entry['over_seeds']:.1f}",
    }
    columns: Columns = {
        "method": lambda entry: entry["label"],
        "accuracy": lambda entry: percent(entry["accuracy"]),
        **(spread if any(entry["over_seeds"] is not None for entry in found["entries"]) else {}),
        "95 % interval": lambda entry: interval(entry["interval"]),
        **(failed if any(Missing.read(entry["missing"]).failed for entry in found["entries"]) else {}),
        "calls": lambda entry: f"{entry['cost']['calls']:,.0f}",
        "prompt + completion": lambda entry: " + ".join(number(entry["cost"][of]) for of in ("prompt", "completion")),
    }
    return table(columns, found["entries"])


def _differences(entries: list[Mapping[str, Any]]) -> Table:
    columns: Columns = {
        "method": lambda one: one["label"],
        "difference": lambda one: _points(one["mean"]),
        "95 % interval": lambda one: " to ".join(map(_points, one["interval"])),
        "p (Holm)": lambda one: "< 0.001" if one["p_value"] < 0.001 else f"{one['p_value']:.3f}",
        "detectable": lambda one: _share(one["smallest_detectable"]),
        "verdict": lambda one: Text(one["verdict"], {"better": "green", "worse": "red"}.get(one["verdict"], "")),
    }
    return table(columns, [{"label": entry["label"], **entry["difference"]} for entry in entries])


def _share(least: float | None) -> str:
    return "-" if least is None else f"{100 * least:.1f}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _notes(found: Mapping[str, Any]) -> list[str]:
    notes = [
        "accuracy    of the method's own answer, seeds averaged within each question",
        "calls       of a question, and tokens of their prompts and completions",
    ]
    if any(entry["over_seeds"] is not None for entry in found["entries"]):
        notes.insert(1, "± seeds     standard deviation of the seeds' accuracies, in points; --json has each of them")
    if any(entry["difference"] for entry in found["entries"]):
        notes += [
            "difference  in points; better or worse if interval and test both exclude none",
            "detectable  what so many questions would show in 80 % of experiments",
        ]
    if found["questions"] < found["questions_total"]:
        notes.append("questions   those with a gold answer that are done and scored in every record")
    missing = sum((Missing.read(entry["missing"]) for entry in found["entries"]), Missing())
    notes += [f"{word:<11} {sentence}" for word, sentence in missing.lines()]
    if found["shortened"]:
        notes.append(f"shortened   {found['shortened']:,} candidates, to fit the context")
    notes.append(f"records     {found['where']}")
    return notes
