"""The tables that a comparison ends with, drawn from the very values that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from selfagg.analysis.missing import Missing
from selfagg.cli.tables import counted, interval, number, percent
from selfagg.cli.view import described_model


def comparison_table(found: Mapping[str, Any]) -> Group:
    """What each method came to and cost, then how the others differ from the reference.

    Args:
        found: As `selfagg.experiments.compared.Compared.to_dict` gives it.
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
    table = Table(box=None, pad_edge=False)
    table.add_column("method", overflow="fold")
    failed = [Missing.read(entry["missing"]).failed for entry in found["entries"]]
    more = ("failed", "without them") if any(failed) else ()
    spread = ("± seeds",) if any(entry["over_seeds"] is not None for entry in found["entries"]) else ()
    for name in ("accuracy", *spread, "95 % interval", *more, "calls", "prompt + completion"):
        table.add_column(name, justify="right", no_wrap=True)
    for entry, missing in zip(found["entries"], failed, strict=True):
        cost = entry["cost"]
        table.add_row(
            Text(entry["label"]),
            percent(entry["accuracy"]),
            *(["-" if entry["over_seeds"] is None else f"{100 * entry['over_seeds']:.1f}"] if spread else []),
            interval(entry["interval"]),
            *((f"{missing:,}", percent(entry["accuracy_replied"])) if more else ()),
            f"{cost['calls']:,.0f}",
            f"{number(cost['prompt'])} + {number(cost['completion'])}",
        )
    return table


def _differences(entries: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("method", overflow="fold")
    for name in ("difference", "95 % interval", "p (Holm)", "detectable", "verdict"):
        table.add_column(name, justify="right", no_wrap=True)
    for entry in entries:
        one = entry["difference"]
        low, high = one["interval"]
        least = one["smallest_detectable"]
        table.add_row(
            Text(entry["label"]),
            _points(one["mean"]),
            f"{_points(low)} to {_points(high)}",
            "< 0.001" if one["p_value"] < 0.001 else f"{one['p_value']:.3f}",
            "-" if least is None else f"{100 * least:.1f}",
            Text(one["verdict"], {"better": "green", "worse": "red"}.get(one["verdict"], "")),
        )
    return table


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
