"""Tables for people, and the one that an evaluation ends with, drawn from the very values that ``--json`` prints."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from selfagg.analysis.labels import ALWAYS
from selfagg.analysis.missing import Missing
from selfagg.progress_bar import clock, described_model
from selfagg.terminal import one_line

Columns = Mapping[str, Callable[[Any], object]]
"""The name of each column, and the function that makes its cell of a row."""


def table(columns: Columns, rows: Iterable[Any]) -> Table:
    """Return a table without lines; numbers stand on the right, names on the left."""
    drawn = Table(box=None, pad_edge=False)
    for name in columns:
        if name in ("method", "group"):
            drawn.add_column(name, overflow="fold")
        else:
            drawn.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [cell(row) for cell in columns.values()]
        drawn.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in cells))
    return drawn


_POPULATION: Columns = {
    "t": lambda one: one["t"],
    "accuracy": lambda one: percent(one["accuracy"]),
    "95 % interval": lambda one: interval(one["interval"]),
    "pass@N": lambda one: percent(one["pass_at_n"]),
    "majority": lambda one: percent(one["majority"]),
    "distinct": lambda one: f"{one['distinct']:.1f}",
    "no answer": lambda one: (
        f"{one['unanswered']:,}" + (f" ({one['unanswered_cut']:,} cut)" if one["unanswered_cut"] else "")
    ),
    "tokens": lambda one: number(one["mean_tokens"]),
}


_CARRIED: Columns = {"carried": lambda one: f"{one['carried']:,}"}


def summary_table(summary: Mapping[str, Any]) -> Group:
    """Return the result of an evaluation: a row for each population, then the method's own answer and all costs.

    Args:
        summary: As `selfagg.analysis.summary.Summary.as_json` gives it.
    """
    carried = any(population["carried"] for population in summary["populations"])
    populations = table({**_POPULATION, **(_CARRIED if carried else {})}, summary["populations"])
    lines = [f"{name:<10} {value}" for name, value in _below(summary)]
    return Group(Text(_title(summary), "bold"), populations, Text("\n".join(["", *lines])))


def _title(summary: Mapping[str, Any]) -> str:
    settings = {**summary, "answer": summary["answer"].get("by")}
    sizes = ", ".join(f"{name}={settings[name]}" for name in ALWAYS if settings.get(name) is not None)
    done, total = summary["questions"], summary["questions_total"]
    return f"{summary['method']} ({sizes}), {counted(done, total)}, {described_model(summary['model'])}"


def counted(done: int, total: int) -> str:
    """Return the number of questions, in words; where some are not done, of how many."""
    words = "question" if total == 1 else "questions"
    return f"{done:,} {words}" if done == total else f"{done:,} of {total:,} {words}"


def _below(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    missing = Missing.read(summary["missing"])
    return [*_answers(summary, missing), *_costs(summary, missing), ("record", str(summary["record"] or "not kept"))]


def _answers(summary: Mapping[str, Any], missing: Missing) -> list[tuple[str, str]]:
    credit = [population["partial_credit"] for population in summary["populations"]]
    partial = any(
        one is not None and not math.isclose(one, p["accuracy"])
        for one, p in zip(credit, summary["populations"], strict=True)
    )
    lines = []
    if summary["answer_accuracy"] is not None:
        answer = f"{percent(summary['answer_accuracy'])} ({interval(summary['answer_interval'])})"
        lines.append(("answer", f"{answer}: the method's own, on average"))
    for word, sentence in missing.lines():
        if word != "tokens":
            lines.append((word, sentence + (_replied(summary) if word == "failed" else "")))
    if partial:
        lines.append(("credit", f"{', '.join(map(percent, credit))}: mean score, partial credit counted"))
    if summary["sampling"].get("server_defaults"):
        lines.append(("sampling", "the server's own, where nothing was given"))
    return lines


def _costs(summary: Mapping[str, Any], missing: Missing) -> list[tuple[str, str]]:
    usage, seconds = summary["usage"], summary["seconds"]
    measured = seconds and not usage["unknown"]
    lines = [
        ("calls", _calls(summary)),
        *_saved(summary),
        ("tokens", missing.tokens_words(usage)),
        ("time", clock(seconds) + (f", {usage['completion'] / seconds:,.0f} tokens/s" if measured else "")),
    ]
    if summary["last_failure"]:
        lines.append(("failure", f"the last: {one_line(summary['last_failure'], 160)}"))
    if summary["shortened"]:
        lines.append(("shortened", f"{summary['shortened']:,} candidates, to fit the context"))
    return lines


def _replied(summary: Mapping[str, Any]) -> str:
    """Return a sentence on the accuracies without members that have no reply, if right answers are known."""
    if summary["answer_accuracy"] is None:
        return ""
    shares = ", ".join(percent(population["accuracy_replied"]) for population in summary["populations"])
    return f"; without them {shares}; answer {percent(summary['answer_replied'])}"


def number(value: float | None) -> str:
    """Return a count or a mean for people; ``-`` where nobody told it."""
    return "-" if value is None else f"{value:,.0f}"


def _calls(summary: Mapping[str, Any]) -> str:
    """Return the calls, and what came to nothing: a generation whose parents all failed is no call."""
    skipped = summary["skipped"]
    failed = f"{summary['calls']:,}, {summary['failures'] - skipped:,} of them failed"
    return f"{failed}; {skipped:,} more had no parent with a reply and were not made" if skipped else failed


def _saved(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the rows on stopped questions and copied members, for methods whose settings do that."""
    lines = []
    if "stop" in summary and summary["depth"] is not None and summary["t"] > 1:
        done = counted(summary["stopped"], summary["questions"])
        lines.append(("stopped", f"{done} before population {summary['t']}; their last one is carried forward"))
        lines.append(("depth", f"{summary['depth']:.1f} populations a question"))
    if "copy" in summary:
        lines.append(("copies", f"{summary['copies']:,} members of unanimous sets, without a call"))
    return lines


def percent(share: float | None) -> str:
    """Return a share for people; ``-`` where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def interval(bounds: Sequence[float] | None) -> str:
    """Return the ends of an interval of shares."""
    return "-" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} %"
