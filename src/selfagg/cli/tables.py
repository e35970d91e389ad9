"""Tables of one run, for people: of an evaluation and of an analysis, drawn from the very values of ``--json``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selfagg.analysis.labels import ALWAYS, plural
from selfagg.analysis.missing import Missing
from selfagg.progress_bar import clock, described_model
from selfagg.terminal import one_line

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Any], object]]
"""The name of each column, and the function that makes its cell of a row."""

LEFT = ("method", "group", "flags", "known", "")
"""Names of columns of words, which stand on the left and may take several lines; numbers stand on the right."""

NAMED = 8
"""So many questions are named where many share a fate."""


def table(columns: Columns, rows: Iterable[Any]) -> Table:
    """Return a table without lines."""
    drawn = Table(box=None, pad_edge=False)
    for name in columns:
        words = name in LEFT
        drawn.add_column(name, justify="left" if words else "right", overflow="fold", no_wrap=not words)
    for row in rows:
        cells = [cell(row) for cell in columns.values()]
        drawn.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in cells))
    return drawn


def section(heading: str, columns: Columns, rows: Iterable[Any]) -> list[RenderableType]:
    """Return a table below an empty line and its heading."""
    return [Text(f"\n{heading}", "bold"), table(columns, rows)]


def listed(lines: Iterable[tuple[str, str]], width: int = 10) -> Text:
    """Return named values, a line each, below an empty line."""
    return Text("\n".join(["", *(f"{name:<{width}} {value}" for name, value in lines)]))


def number(value: float | None) -> str:
    """Return a count or a mean for people; ``-`` where nobody told it."""
    return "-" if value is None else f"{value:,.0f}"


def percent(share: float | None) -> str:
    """Return a share for people; ``-`` where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def interval(bounds: Sequence[float] | None) -> str:
    """Return the ends of an interval of shares."""
    return "-" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} %"


def estimated(share: float | None, bounds: Sequence[float] | None) -> str:
    """Return a share with its interval."""
    return f"{percent(share)} ({interval(bounds)})"


def counted(done: int, total: int) -> str:
    """Return the number of questions, in words; where some are not done, of how many."""
    return plural(total, "question") if done == total else f"{done:,} of {plural(total, 'question')}"


def summary_table(summary: Row) -> Group:
    """Return the result of an evaluation: a row for each population, then the method's own answer and all costs."""
    settings = {**summary, "answer": summary["answer"].get("by")}
    sizes = ", ".join(f"{name}={settings[name]}" for name in ALWAYS if settings.get(name) is not None)
    done = counted(summary["questions"], summary["questions_total"])
    columns: dict[str, Callable[[Row], object]] = {
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
    if any(population["carried"] for population in summary["populations"]):
        columns["carried"] = lambda one: f"{one['carried']:,}"
    missing = Missing.read(summary["missing"])
    lines = [*_answers(summary, missing), *_costs(summary, missing), ("record", str(summary["record"] or "not kept"))]
    title = Text(f"{summary['method']} ({sizes}), {done}, {described_model(summary['model'])}", "bold")
    return Group(title, table(columns, summary["populations"]), listed(lines))


def _answers(summary: Row, missing: Missing) -> list[tuple[str, str]]:
    populations, known = summary["populations"], summary["answer_accuracy"] is not None
    lines = []
    if known:
        own = estimated(summary["answer_accuracy"], summary["answer_interval"])
        lines.append(("answer", f"{own}: the method's own, on average"))
    for word, sentence in missing.lines():
        if word == "failed" and known:
            shares = ", ".join(percent(population["accuracy_replied"]) for population in populations)
            sentence += f"; without them {shares}; answer {percent(summary['answer_replied'])}"
        if word != "tokens":
            lines.append((word, sentence))
    credit = [population["partial_credit"] for population in populations]
    if any(c is not None and not math.isclose(c, p["accuracy"]) for c, p in zip(credit, populations, strict=True)):
        lines.append(("credit", f"{', '.join(map(percent, credit))}: mean score, partial credit counted"))
    if summary["sampling"].get("server_defaults"):
        lines.append(("sampling", "the server's own, where nothing was given"))
    return lines


def _costs(summary: Row, missing: Missing) -> list[tuple[str, str]]:
    usage, seconds, skipped = summary["usage"], summary["seconds"], summary["skipped"]
    calls = f"{summary['calls']:,}, {summary['failures'] - skipped:,} of them failed"
    if skipped:  # a generation whose parents all failed is no call
        calls += f"; {skipped:,} more had no parent with a reply and were not made"
    lines = [("calls", calls)]
    if "stop" in summary and summary["depth"] is not None and summary["t"] > 1:
        done = counted(summary["stopped"], summary["questions"])
        lines.append(("stopped", f"{done} before population {summary['t']}; their last one is carried forward"))
        lines.append(("depth", f"{summary['depth']:.1f} populations a question"))
    if "copy" in summary:
        lines.append(("copies", f"{summary['copies']:,} members of unanimous sets, without a call"))
    lines.append(("tokens", missing.tokens_words(usage)))
    pace = f", {usage['completion'] / seconds:,.0f} tokens/s" if seconds and not usage["unknown"] else ""
    lines.append(("time", f"{clock(seconds)}{pace}"))
    if summary["last_failure"]:
        lines.append(("failure", f"the last: {one_line(summary['last_failure'], 160)}"))
    if summary["shortened"]:
        lines.append(("shortened", f"{summary['shortened']:,} candidates, to fit the context"))
    return lines


def analysis_tables(found: Row) -> Group:
    """Return everything that an analysis has, section by section; what a run tells nothing of is left out."""
    parts: list[RenderableType] = [summary_table(found["run"]), *_populations(found["populations"])]
    if found["transitions"]:
        heading = "what aggregating did to the vote of its own candidates, and to questions"
        parts += [*section(heading, _TRANSITIONS, found["transitions"]), _fates(found["fates"])]
    if found["r_c"]:
        heading = "r_c: share of right aggregations by how many of their candidates were right"
        parts += section(heading, _RATES, found["r_c"])
    if found["trajectory"]:
        heading = "accuracy that r_c predicts from the first population, and measured"
        parts += [*section(heading, _TRAJECTORY, found["trajectory"]["steps"]), _verdict(found["trajectory"])]
    if found["ancestry"]:
        parts += section("ancestors in the first population", _ANCESTRY, found["ancestry"])
    if found["groups"]:
        parts += section("by group", _GROUPS, found["groups"])
    return Group(*parts)


def _populations(populations: Sequence[Row]) -> list[RenderableType]:
    known = [k for k in populations[0]["pass_at_k"] if all(k in one["pass_at_k"] for one in populations)]
    answers: Columns = {
        "t": lambda one: one["t"],
        **{f"pass@{k}": partial(lambda k, one: percent(one["pass_at_k"][k]), k) for k in known},
        "majority (95 %)": lambda one: estimated(one["majority"], one["majority_interval"]),
        "partial credit": lambda one: percent(one["partial_credit"]),
        "entropy": lambda one: f"{one['entropy']:.2f} bit",
    }
    lengths: Columns = {
        "t": lambda one: one["t"],
        **{f"{float(share):.0%}": partial(_quantile, share) for share in ("0.05", "0.5", "0.95")},
        "cut": lambda one: f"{one['replies_cut']:,}",
        "failed": lambda one: f"{one['unanswered_failed']:,}",
        "unscored": lambda one: f"{one['unscored']:,}",
        "calls": lambda one: f"{one['cost']['calls']:,.0f}",
        "tokens": lambda one: number(one["cost"]["tokens"]),
        "seconds": lambda one: f"{one['cost']['seconds']:,.1f}",
        "in a chain": lambda one: f"{one['chain_seconds']:,.1f}",
    }
    told = "lengths of replies in tokens; what a question had cost when the population was there"
    return [
        *section("chance that at least one of k members is right; agreement", answers, populations),
        *section(told, lengths, populations),
    ]


def _quantile(share: str, one: Row) -> str:
    return f"{one['token_quantiles'][share]:,.0f}" if one["token_quantiles"] else "-"


_TRANSITIONS: Columns = {
    "t": lambda step: step["t"],
    "right->wrong": lambda step: f"{step['lost_count']:,} ({percent(step['lost'])})",
    "wrong->right": lambda step: f"{step['gained_count']:,} ({percent(step['gained'])})",
    "majorities -/+": lambda step: f"-{step['majorities_lost']} +{step['majorities_gained']}",
    "died out": lambda step: step["died_out"],
    "rescued": lambda step: step["rescued"],
}
_RATES: Columns = {
    "c of K": lambda rate: f"{rate['c']} of {rate['k']}",
    "right": lambda rate: percent(rate["share"]),
    "95 % interval": lambda rate: interval(rate["interval"]),
    "aggregations": lambda rate: f"{rate['aggregations']:,}",
}
_TRAJECTORY: Columns = {
    "t": lambda step: step["t"],
    "measured": lambda step: percent(step["measured"]),
    "predicted": lambda step: percent(step["predicted"]),
    "95 % interval": lambda step: interval((step["low"], step["high"])),
    "tokens a question": lambda step: number(step["tokens"]),
}
_ANCESTRY: Columns = {
    "t": lambda one: one["t"],
    "reached by a member": lambda one: percent(one["reached"]),
    "effective number": lambda one: f"{one['effective']:.1f}",
    "shared by two members": lambda one: percent(one["overlap"]),
}
_GROUPS: Columns = {
    "group": lambda group: one_line(group["group"] or "(none)", 40),
    "questions": lambda group: f"{group['questions']:,}",
    "first": lambda group: percent(group["accuracies"][0]),
    "last": lambda group: percent(group["accuracies"][-1]),
    "majority of the last": lambda group: percent(group["majority"]),
    "answer (95 %)": lambda group: estimated(group["answer_accuracy"], group["answer_interval"]),
}


def _fates(fates: Mapping[str, Sequence[str]]) -> Text:
    words = {"died_out": "died out for good", "rescued": "rescued to the end", "never_right": "never right"}
    untold = {"no_reply": "no reply at all", "unscored": "not all scored"}
    words |= {fate: told for fate, told in untold.items() if fates[fate]}
    lines = []
    for fate, told in words.items():
        names = [one_line(name, 40) for name in fates[fate][:NAMED]]
        more = f" and {len(fates[fate]) - NAMED:,} more" if len(fates[fate]) > NAMED else ""
        lines.append((told, f"{len(fates[fate]):,}: {', '.join(names)}{more}" if names else "none"))
    return listed(lines, width=18)


def _verdict(trajectory: Row) -> Text:
    gain = f"{100 * trajectory['least_gain']:g} point of accuracy each"
    if trajectory["enough"] is None:
        verdict = f"Every population predicted here gains {gain} or more: none is too many yet."
    else:
        verdict = f"After population {trajectory['enough']} further ones gain less than {gain}: not worth their tokens."
    guessed = f" r_c was never seen for c = {', '.join(map(str, trajectory['guessed']))}: read off its neighbours."
    return Text(f"\n{verdict}{guessed if trajectory['guessed'] else ''}")
