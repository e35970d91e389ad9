"""Figures, report and the table "paper | here | difference" of `reproduce.sh`, and its dry run's GPU hours."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import selfagg
from selfagg.analysis.comparison import Curves, curves
from selfagg.evaluation.record_files import records_of
from selfagg.record.record import Record

REFERENCE = Path(__file__).with_name("reference.json")
HEADLINE = "Qwen3-4B-Instruct-2507"
WRITTEN, READ = 5_000, 40_000
"""Tokens a second that one H100 is taken to write and to read of a model of 4 billion parameters: not measured."""


def main() -> None:
    """Draw and print the results, or print the cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("cost")
    results = commands.add_parser("results")
    results.add_argument("folder", type=Path)
    results.add_argument("--benchmark", required=True)
    results.add_argument("--model", required=True)
    results.add_argument("--gpus", type=int, default=1)
    results.add_argument("--trained", default="")
    asked = parser.parse_args()
    if asked.command == "cost":
        print_cost(json.load(sys.stdin)["total"])
    else:
        draw(asked.folder)
        print_table(asked)


def print_cost(total: dict[str, int]) -> None:
    """Print the GPU hours that a dry run's tokens take."""
    hours = (total["completion"] / WRITTEN + total["prompt"] / READ) / 3600
    print(
        f"GPU hours: {hours:,.0f} of one H100 at most, if it writes {WRITTEN:,} and reads {READ:,} tokens a second "
        "(an estimate)"
    )


def draw(folder: Path) -> None:
    """Write the figures and the report into the folder."""
    records = folder / "records"
    selfagg.plot(records, folder / "figures.pdf")
    for panel in ("accuracy", "cost"):
        selfagg.plot(records, folder / f"{panel}.pdf", panel)
    selfagg.report(records, folder / "report.html")


def print_table(asked: argparse.Namespace) -> None:
    """Print one line a method, then what the run took."""
    told = json.loads((asked.folder / "compare.json").read_text())
    with ExitStack() as opened:
        paths = records_of(asked.folder / "records")
        records = [opened.enter_context(Record(path, read_only=True)) for path in paths]
        found = {one.label: one for one in curves(records)}
        hours = sum(record.seconds for record in records) / 3600 * asked.gpus
        rows = [row(entry, found[entry["label"]], asked) for entry in told["entries"]]
    seeds = max(len(entry["seeds"]) for entry in told["entries"])
    simulated = " (SIMULATED: no language model was asked)" if told["simulated"] else ""
    print(f"{asked.benchmark}, {asked.model}, {told['questions']} questions, {seeds} seeds{simulated}")
    heads = ("method", "paper", "here", "difference", "95 % here", "paper's number")
    print_aligned([heads, *rows])
    if all(paper == "-" for _, paper, *_ in rows):
        print("\nreference.json has no number of the paper for this model on this benchmark")
    tokens = sum(entry["cost"]["tokens"] or 0 for entry in told["entries"]) * told["questions"] * seeds
    print(
        f"\npercent right, +- over seeds; the interval is of the accuracy; {told['failures']:,} calls without a reply"
    )
    print(f"{tokens / 1e6:,.1f} million tokens, first samples counted for each method")
    print(f"{hours:.2f} GPU hours: {asked.gpus} GPUs for as long as the runs took")


def row(entry: dict[str, Any], found: Curves, asked: argparse.Namespace) -> tuple[str, ...]:
    """Return one line: a method here, and the paper's number of it where there is one."""
    here, spread, (low, high) = 100 * entry["accuracy"], entry["over_seeds"], entry["interval"]
    note = ""
    credit = found.populations[-1].partial_credit
    if asked.benchmark.startswith("rg-") and found.uniform and credit is not None:
        here, spread, note = 100 * credit, None, " (partial credit counted)"
    said = reference(asked, found)
    value = said["value"] if said else None
    return (
        entry["label"],
        number(value, said.get("spread") if said else None),
        number(here, None if spread is None else 100 * spread) + note,
        "-" if value is None else f"{here - value:+.1f}",
        f"{100 * low:.1f} to {100 * high:.1f}",
        said["source"] if said else "-",
    )


def reference(asked: argparse.Namespace, found: Curves) -> dict[str, Any] | None:
    """Return the paper's result of a method with its K; of a simulated model that of the headline model."""
    k = found.counts.k if found.counts and found.method == "rsa" else None
    for result in json.loads(REFERENCE.read_text())["results"]:
        same_model = asked.model.startswith("simulated:") or result["model"] in asked.model or asked.trained
        if (
            (result["benchmark"], result["method"]) == (asked.benchmark, found.method)
            and same_model
            and result.get("trained", "") == asked.trained
            and result.get("k") == k
        ):
            return dict(result)
    return None


def number(value: float | None, spread: float | None) -> str:
    """Return a number with its spread."""
    if value is None:
        return "-"
    return f"{value:.1f}" + (f" +- {spread:.1f}" if spread is not None else "")


def print_aligned(rows: list[tuple[str, ...]]) -> None:
    """Print rows in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
