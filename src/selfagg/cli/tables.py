"""Tables for people, drawn from the very values that ``--json`` prints: of one run, of several runs, of settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selfagg.analysis.labels import ALWAYS, named, plural
from selfagg.analysis.missing import Missing
from selfagg.evaluation.budget import BYTES_PER_TOKEN
from selfagg.evaluation.sweep import Grid
from selfagg.progress import clock, described_model
from selfagg.terminal import one_line

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Any], object]]
"""The name of each column, and the function that makes its cell of a row."""

LEFT = ("method", "group", "flags", "known", "")
"""Names of columns of words, which stand on the left and may take several lines; numbers stand on the right."""

_FAILED = ("failed", "without them")
"""Columns that are left out where every call has its reply."""

NAMED = 8
"""So many questions are named where many share a fate."""

EXACT = "Exact: these are the calls and answers of a run with these settings."
DRAWN = (
    "By r_c: the record lacks these members. They are drawn, each aggregation right as often as this question's were\n"
    "with as many right candidates."
)


def _table(columns: Columns, rows: Iterable[Any], left_out: Collection[str] = ()) -> Table:
    """Return a table without lines, and without some of its columns."""
    drawn = Table(box=None, pad_edge=False)
    shown = {name: cell for name, cell in columns.items() if name not in left_out}
    for name in shown:
        words = name in LEFT
        drawn.add_column(name, justify="left" if words else "right", overflow="fold", no_wrap=not words)
    for row in rows:
        cells = [cell(row) for cell in shown.values()]
        drawn.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in cells))
    return drawn


def _section(
    heading: str, columns: Columns, rows: Iterable[Any], left_out: Collection[str] = ()
) -> list[RenderableType]:
    return [Text(f"\n{heading}", "bold"), _table(columns, rows, left_out)]


def _listed(lines: Iterable[tuple[str, str]], width: int = 10) -> Text:
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


def _estimated(share: float | None, bounds: Sequence[float] | None) -> str:
    return f"{percent(share)} ({interval(bounds)})"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _counted(done: int, total: int) -> str:
    """Return the number of questions, in words; where some are not done, of how many."""
    return plural(total, "question") if done == total else f"{done:,} of {plural(total, 'question')}"


# -- one run


def summary_table(summary: Row) -> Group:
    """Return the result of an evaluation: a row for each population, then the method's own answer and all costs."""
    settings = {**summary, "answer": summary["answer"].get("by")}
    sizes = ", ".join(f"{name}={settings[name]}" for name in ALWAYS if settings.get(name) is not None)
    done = _counted(summary["questions"], summary["questions_total"])
    columns: Columns = {
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
        "carried": lambda one: f"{one['carried']:,}",
    }
    left_out = () if any(one["carried"] for one in summary["populations"]) else ("carried",)
    missing = Missing.read(summary["missing"])
    lines = [*_answers(summary, missing), *_costs(summary, missing), ("record", str(summary["record"] or "not kept"))]
    title = Text(f"{summary['method']} ({sizes}), {done}, {described_model(summary['model'])}", "bold")
    return Group(title, _table(columns, summary["populations"], left_out), _listed(lines))


def _answers(summary: Row, missing: Missing) -> list[tuple[str, str]]:
    populations, known = summary["populations"], summary["answer_accuracy"] is not None
    lines = []
    if known:
        own = _estimated(summary["answer_accuracy"], summary["answer_interval"])
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
        done = _counted(summary["stopped"], summary["questions"])
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
        parts += [*_section(heading, _TRANSITIONS, found["transitions"]), _fates(found["fates"])]
    if found["r_c"]:
        heading = "r_c: share of right aggregations by how many of their candidates were right"
        parts += _section(heading, _RATES, found["r_c"])
    if found["trajectory"]:
        heading = "accuracy that r_c predicts from the first population, and measured"
        parts += [*_section(heading, _TRAJECTORY, found["trajectory"]["steps"]), _verdict(found["trajectory"])]
    if found["ancestry"]:
        parts += _section("ancestors in the first population", _ANCESTRY, found["ancestry"])
    if found["groups"]:
        parts += _section("by group", _GROUPS, found["groups"])
    return Group(*parts)


def _populations(populations: Sequence[Row]) -> list[RenderableType]:
    known = [k for k in populations[0]["pass_at_k"] if all(k in one["pass_at_k"] for one in populations)]
    answers: Columns = {
        "t": lambda one: one["t"],
        **{f"pass@{k}": partial(lambda k, one: percent(one["pass_at_k"][k]), k) for k in known},
        "majority (95 %)": lambda one: _estimated(one["majority"], one["majority_interval"]),
        "partial credit": lambda one: percent(one["partial_credit"]),
        "entropy": lambda one: f"{one['entropy']:.2f} bit",
    }
    told = "lengths of replies in tokens; what a question had cost when the population was there"
    return [
        *_section("chance that at least one of k members is right; agreement", answers, populations),
        *_section(told, _LENGTHS, populations),
    ]


def _quantile(share: str, one: Row) -> str:
    return f"{one['token_quantiles'][share]:,.0f}" if one["token_quantiles"] else "-"


_LENGTHS: Columns = {
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
    "answer (95 %)": lambda group: _estimated(group["answer_accuracy"], group["answer_interval"]),
}


def _fates(fates: Mapping[str, Sequence[str]]) -> Text:
    words = {"died_out": "died out for good", "rescued": "rescued to the end", "never_right": "never right"}
    untold = {"no_reply": "no reply at all", "unscored": "not all scored"}
    words |= {fate: told for fate, told in untold.items() if fates[fate]}
    lines = []
    for fate, told in words.items():
        names = ", ".join(one_line(name, 40) for name in fates[fate][:NAMED])
        more = f" and {len(fates[fate]) - NAMED:,} more" if len(fates[fate]) > NAMED else ""
        lines.append((told, f"{len(fates[fate]):,}: {names}{more}" if names else "none"))
    return _listed(lines, width=18)


def _verdict(trajectory: Row) -> Text:
    gain = f"{100 * trajectory['least_gain']:g} point of accuracy each"
    if trajectory["enough"] is None:
        verdict = f"Every population predicted here gains {gain} or more: none is too many yet."
    else:
        verdict = f"After population {trajectory['enough']} further ones gain less than {gain}: not worth their tokens."
    guessed = f" r_c was never seen for c = {', '.join(map(str, trajectory['guessed']))}: read off its neighbours."
    return Text(f"\n{verdict}{guessed if trajectory['guessed'] else ''}")


# -- several runs, and settings that were not run


def comparison_table(found: Row) -> Group:
    """Return the results and costs of each method, then the differences of the others from the reference."""
    entries, missing = found["entries"], sum((Missing.read(one["missing"]) for one in found["entries"]), Missing())
    counts = sorted({len(entry["seeds"]) for entry in entries})
    seeds = " or ".join([*map(str, counts[:-1]), plural(counts[-1], "seed")])
    questions, models = _counted(found["questions"], found["questions_total"]), map(described_model, found["models"])
    spread = any(entry["over_seeds"] is not None for entry in entries)
    others = [{"label": entry["label"], **entry["difference"]} for entry in entries if entry["difference"]]
    columns: Columns = {
        "method": lambda entry: entry["label"],
        "accuracy": lambda entry: percent(entry["accuracy"]),
        "± seeds": lambda entry: "-" if entry["over_seeds"] is None else f"{100 * entry['over_seeds']:.1f}",
        "95 % interval": lambda entry: interval(entry["interval"]),
        "failed": lambda entry: f"{entry['missing']['failed']:,}",
        "without them": lambda entry: percent(entry["accuracy_replied"]),
        "calls": lambda entry: f"{entry['cost']['calls']:,.0f}",
        "prompt + completion": lambda entry: " + ".join(number(entry["cost"][of]) for of in ("prompt", "completion")),
    }
    left_out = [*([] if spread else ["± seeds"]), *([] if missing.failed else _FAILED)]
    parts: list[RenderableType] = [
        Text(f"{questions} x {seeds}, {', '.join(models)}", "bold"),
        _table(columns, entries, left_out),
    ]
    notes = [("accuracy", "of the method's own answer, seeds averaged within each question")]
    if spread:
        notes.append(("± seeds", "standard deviation of the seeds' accuracies, in points; --json has each of them"))
    notes.append(("calls", "of a question, and tokens of their prompts and completions"))
    if others:
        parts += _section(f"against {found['reference']}, paired by question", _DIFFERENCES, others)
        notes.append(("difference", "in points; better or worse if interval and test both exclude none"))
        notes.append(("detectable", "what so many questions would show in 80 % of experiments"))
    if found["questions"] < found["questions_total"]:
        notes.append(("questions", "those with a gold answer that are done and scored in every record"))
    notes += missing.lines()
    if found["shortened"]:
        notes.append(("shortened", f"{found['shortened']:,} candidates, to fit the context"))
    return Group(*parts, _listed([*notes, ("records", str(found["where"]))], width=11))


_DIFFERENCES: Columns = {
    "method": lambda one: one["label"],
    "difference": lambda one: _points(one["mean"]),
    "95 % interval": lambda one: " to ".join(map(_points, one["interval"])),
    "p (Holm)": lambda one: "< 0.001" if one["p_value"] < 0.001 else f"{one['p_value']:.3f}",
    "detectable": lambda one: "-" if one["smallest_detectable"] is None else f"{100 * one['smallest_detectable']:.1f}",
    "verdict": lambda one: Text(one["verdict"], {"better": "green", "worse": "red"}.get(one["verdict"], "")),
}


def sweep_table(found: Row, grid: Grid) -> Group:
    """Return a row for each cell of a sweep, and the settings that no other beats."""
    missing = Missing.read(found["missing"])
    columns: Columns = {
        "n": lambda cell: cell["n"],
        "k": lambda cell: cell["k"] or "any",
        "t": lambda cell: cell["t"],
        "accuracy": lambda cell: percent(cell["accuracy"]),
        "95 % interval": lambda cell: interval(cell["interval"]),
        "failed": lambda cell: f"{cell['unanswered_failed']:,}",
        "without them": lambda cell: percent(cell["accuracy_replied"]),
        "pass@N": lambda cell: percent(cell["pass_at_n"]),
        "majority": lambda cell: percent(cell["majority"]),
        "calls": lambda cell: f"{cell['cost']['calls']:,.0f}",
        "tokens": lambda cell: number(cell["cost"]["tokens"]),
    }
    heading = "the front: no other settings read off these runs are cheaper and more often right"
    lines = [
        "",
        "calls and tokens (prompt and completion) are those of a question",
        *filter(None, [grid.left_out_words()]),
        *(f"{word}: {sentence}" for word, sentence in missing.lines()),
        f"records {found['folder']}",
    ]
    return Group(
        Text(f"rsa, {found['source']}, {described_model(found['model'])}", "bold"),
        _table(columns, found["cells"], () if missing.failed else _FAILED),
        *(_section(heading, _FRONT, found["front"], ("against the run (95 %)", "known")) if found["front"] else []),
        Text("\n".join(lines)),
    )


_FRONT: Columns = {
    "calls": lambda one: f"{one['calls']:,.1f}",
    "depth": lambda one: f"{one['depth']:.1f}",
    "tokens": lambda one: number(one["tokens"]),
    "accuracy": lambda one: percent(one["accuracy"]),
    "against the run (95 %)": lambda one: "{} ({} to {})".format(
        *map(_points, (one["difference"]["mean"], *one["difference"]["interval"]))
    ),
    "known": lambda one: "exact" if one["exact"] else "by r_c",
    "flags": lambda one: one["flags"],
}


def advice_table(found: Row) -> Group:
    """Return the front, and the flags to type."""
    recorded, chosen = found["recorded"], found["chosen"]
    rows = [*found["front"], *([chosen] if chosen and chosen not in found["front"] else [])]
    marked: Columns = {"": lambda one: ">" if chosen and one["flags"] == chosen["flags"] else "", **_FRONT}
    run = f"{recorded['calls']:,.0f} calls a question, accuracy {percent(recorded['accuracy'])}"
    lines = [
        "",
        f"Of {found['tried']:,} settings, tried without a model, those that no other beats in calls and accuracy.",
        "The best of so many is in part luck: look at the intervals, and check it on other questions.",
        f"type   {chosen['flags']}" if chosen else "None of them keeps to what was asked.",
    ]
    head = Text(f"{_settings(recorded['method'])}: {run}", "bold")
    return Group(head, _table(marked, rows, ("tokens",)), Text("\n".join(lines)))


def _settings(method: Row) -> str:
    return " ".join(f"{value}" if key == "name" else f"{key}={value}" for key, value in method.items())


def shadow_table(shadow: Row) -> Group:
    """Return the savings and costs of other settings."""
    calls, recorded = shadow["calls"], shadow["recorded_calls"]
    lines = [
        ("calls a question", f"{calls:,.1f} of {recorded:,.0f} ({calls / recorded:.0%})"),
        ("tokens a question", f"{number(shadow['tokens'])} of {number(shadow['recorded_tokens'])}"),
        ("populations", f"{shadow['depth']:.1f} on average, one after the other"),
    ]
    if shadow["accuracy"] is None:
        lines.append(("accuracy", "not known: the questions have no gold answers"))
    else:
        lines.append(("accuracy", _estimated(shadow["accuracy"], shadow["interval"])))
        for words, key in (("against the run's answer", "difference"), ("against the run's last vote", "against_vote")):
            mean, low, high = map(_points, (shadow[key]["mean"], *shadow[key]["interval"]))
            lines.append((words, f"{mean} points ({low} to {high}): {shadow[key]['verdict']}"))
    if shadow["reversal"] is not None:
        again = _estimated(shadow["reversal"], shadow["reversal_interval"])
        told = f"{again} of {shadow['agreed']:,} populations that agreed: another final answer"
        lines.append(("reversal rate", told))
    elif "stop" in shadow["method"]:
        lines.append(("reversal rate", "not known: no population before the last agreed so far"))
    asked = f"{_settings(shadow['method'])}, on {shadow['questions']:,} recorded questions; no model was asked"
    exact = Text(f"\n{EXACT if shadow['exact'] else DRAWN}")
    return Group(Text(asked, "bold"), _listed(lines, width=28), exact)


def costs_table(found: Row, note: str = "") -> Group:
    """Return calls and tokens of each method, and of all together where they share their first samples."""
    runs, rows, reply = found["seeds"] * found["questions"], found["methods"], found["reply_tokens"]
    if len(rows) > 1:
        rows = [*rows, {"name": "all, first samples shared", **found["total"]}]
    columns: Columns = {
        "method": named,
        "a question": lambda row: f"{row['calls'] / runs:,.0f}",
        "calls": lambda row: f"{row['calls']:,}",
        "prompt tokens": lambda row: f"{row['prompt']:,}",
        "completion tokens": lambda row: f"{row['completion']:,}",
    }
    lines = [
        "",
        f"A question's prompt has {found['question_tokens']:,.0f} tokens on average, {BYTES_PER_TOKEN} bytes a token.",
        f"A reply is taken to have {reply:,} tokens (--expect-tokens), shown whole to every aggregation.",
    ]
    if found["at_most"]:
        lines.append("At most: what stops or copies makes fewer calls, as the answers have it.")
    title = Text(f"Dry run: {found['source']}, {plural(found['seeds'], 'seed')}; no model is asked", "bold")
    return Group(title, _table(columns, rows), Text("\n".join([*lines, *filter(None, [note])])))
