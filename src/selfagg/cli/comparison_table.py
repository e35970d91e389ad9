"""Tables of several runs or settings, for people: compare, sweep, advise, analyze --stop, --dry-run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from selfagg.analysis.labels import named, plural
from selfagg.analysis.missing import Missing
from selfagg.cli.tables import (
    Columns,
    Row,
    counted,
    estimated,
    interval,
    listed,
    number,
    percent,
    section,
    table,
)
from selfagg.evaluation.budget import BYTES_PER_TOKEN, ExpectedCosts
from selfagg.evaluation.sweep import Grid
from selfagg.progress_bar import described_model

EXACT = "Exact: these are the calls and answers of a run with these settings."
DRAWN = (
    "By r_c: the record lacks these members. They are drawn, each aggregation right as often as this question's were\n"
    "with as many right candidates."
)


def comparison_table(found: Row) -> Group:
    """Return the results and costs of each method, then the differences of the others from the reference."""
    entries, missing = found["entries"], sum((Missing.read(one["missing"]) for one in found["entries"]), Missing())
    counts = sorted({len(entry["seeds"]) for entry in entries})
    seeds = " or ".join([*map(str, counts[:-1]), plural(counts[-1], "seed")])
    questions, models = counted(found["questions"], found["questions_total"]), map(described_model, found["models"])
    spread = any(entry["over_seeds"] is not None for entry in entries)
    others = [{"label": entry["label"], **entry["difference"]} for entry in entries if entry["difference"]]
    parts: list[Any] = [
        Text(f"{questions} x {seeds}, {', '.join(models)}", "bold"),
        table(_accuracies(spread=spread, failed=missing.failed > 0), entries),
    ]
    if others:
        parts += section(f"against {found['reference']}, paired by question", _DIFFERENCES, others)
    notes = [("accuracy", "of the method's own answer, seeds averaged within each question")]
    if spread:
        notes.append(("± seeds", "standard deviation of the seeds' accuracies, in points; --json has each of them"))
    notes.append(("calls", "of a question, and tokens of their prompts and completions"))
    if others:
        notes.append(("difference", "in points; better or worse if interval and test both exclude none"))
        notes.append(("detectable", "what so many questions would show in 80 % of experiments"))
    if found["questions"] < found["questions_total"]:
        notes.append(("questions", "those with a gold answer that are done and scored in every record"))
    notes += missing.lines()
    if found["shortened"]:
        notes.append(("shortened", f"{found['shortened']:,} candidates, to fit the context"))
    return Group(*parts, listed([*notes, ("records", str(found["where"]))], width=11))


def _accuracies(*, spread: bool, failed: bool) -> Columns:
    seeds: Columns = {
        "± seeds": lambda entry: "-" if entry["over_seeds"] is None else f"{100 * entry['over_seeds']:.1f}",
    }
    without: Columns = {
        "failed": lambda entry: f"{entry['missing']['failed']:,}",
        "without them": lambda entry: percent(entry["accuracy_replied"]),
    }
    return {
        "method": lambda entry: entry["label"],
        "accuracy": lambda entry: percent(entry["accuracy"]),
        **(seeds if spread else {}),
        "95 % interval": lambda entry: interval(entry["interval"]),
        **(without if failed else {}),
        "calls": lambda entry: f"{entry['cost']['calls']:,.0f}",
        "prompt + completion": lambda entry: " + ".join(number(entry["cost"][of]) for of in ("prompt", "completion")),
    }


_DIFFERENCES: Columns = {
    "method": lambda one: one["label"],
    "difference": lambda one: _points(one["mean"]),
    "95 % interval": lambda one: " to ".join(map(_points, one["interval"])),
    "p (Holm)": lambda one: "< 0.001" if one["p_value"] < 0.001 else f"{one['p_value']:.3f}",
    "detectable": lambda one: "-" if one["smallest_detectable"] is None else f"{100 * one['smallest_detectable']:.1f}",
    "verdict": lambda one: Text(one["verdict"], {"better": "green", "worse": "red"}.get(one["verdict"], "")),
}


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def sweep_table(found: Row, grid: Grid) -> Group:
    """Return a row for each cell of a sweep, and the settings that no other beats."""
    missing = Missing.read(found["missing"])
    without: Columns = {
        "failed": lambda cell: f"{cell['unanswered_failed']:,}",
        "without them": lambda cell: percent(cell["accuracy_replied"]),
    }
    columns: Columns = {
        "n": lambda cell: cell["n"],
        "k": lambda cell: cell["k"] or "any",
        "t": lambda cell: cell["t"],
        "accuracy": lambda cell: percent(cell["accuracy"]),
        "95 % interval": lambda cell: interval(cell["interval"]),
        **(without if missing.failed else {}),
        "pass@N": lambda cell: percent(cell["pass_at_n"]),
        "majority": lambda cell: percent(cell["majority"]),
        "calls": lambda cell: f"{cell['cost']['calls']:,.0f}",
        "tokens": lambda cell: number(cell["cost"]["tokens"]),
    }
    front: Columns = {
        **{name: _FRONT[name] for name in ("calls", "depth")},
        "tokens": lambda one: number(one["tokens"]),
        **{name: _FRONT[name] for name in ("accuracy", "flags")},
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
        table(columns, found["cells"]),
        *(section(heading, front, found["front"]) if found["front"] else []),
        Text("\n".join(lines)),
    )


_FRONT: Columns = {
    "calls": lambda one: f"{one['calls']:,.1f}",
    "depth": lambda one: f"{one['depth']:.1f}",
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
    return Group(head, table(marked, rows), Text("\n".join(lines)))


def _settings(method: Mapping[str, Any]) -> str:
    return " ".join(f"{value}" if key == "name" else f"{key}={value}" for key, value in method.items())


def shadow_table(shadow: Row) -> Group:
    """Return the table of savings and costs of other settings."""
    calls, recorded = shadow["calls"], shadow["recorded_calls"]
    lines = [
        ("calls a question", f"{calls:,.1f} of {recorded:,.0f} ({calls / recorded:.0%})"),
        ("tokens a question", f"{number(shadow['tokens'])} of {number(shadow['recorded_tokens'])}"),
        ("populations", f"{shadow['depth']:.1f} on average, one after the other"),
    ]
    if shadow["accuracy"] is None:
        lines.append(("accuracy", "not known: the questions have no gold answers"))
    else:
        lines.append(("accuracy", estimated(shadow["accuracy"], shadow["interval"])))
        for words, key in (("against the run's answer", "difference"), ("against the run's last vote", "against_vote")):
            mean, low, high = map(_points, (shadow[key]["mean"], *shadow[key]["interval"]))
            lines.append((words, f"{mean} points ({low} to {high}): {shadow[key]['verdict']}"))
    if shadow["reversal"] is not None:
        again = estimated(shadow["reversal"], shadow["reversal_interval"])
        told = f"{again} of {shadow['agreed']:,} populations that agreed: another final answer"
        lines.append(("reversal rate", told))
    elif "stop" in shadow["method"]:
        lines.append(("reversal rate", "not known: no population before the last agreed so far"))
    values = Table(box=None, pad_edge=False, show_header=False)
    for line in lines:
        values.add_row(*line)
    asked = f"{_settings(shadow['method'])}, on {shadow['questions']:,} recorded questions; no model was asked"
    return Group(Text(asked, "bold"), values, Text(f"\n{EXACT if shadow['exact'] else DRAWN}"))


def costs_table(found: ExpectedCosts, note: str = "") -> Group:
    """Return calls and tokens of each method, and of all together where they share their first samples."""
    rows: list[Sequence[Any]] = [
        (named(method.settings()), method.calls, cost) for method, cost in zip(found.methods, found.costs, strict=True)
    ]
    if len(rows) > 1:
        each = found.total.calls / (found.seeds * found.questions)
        rows.append(("all, first samples shared", round(each), found.total))
    columns: Columns = {
        "method": lambda row: row[0],
        "a question": lambda row: f"{row[1]:,}",
        "calls": lambda row: f"{row[2].calls:,.0f}",
        "prompt tokens": lambda row: f"{row[2].prompt:,.0f}",
        "completion tokens": lambda row: f"{row[2].completion:,.0f}",
    }
    seeds = plural(found.seeds, "seed")
    lines = [
        "",
        f"A question's prompt has {found.question_tokens:,.0f} tokens on average, {BYTES_PER_TOKEN} bytes a token.",
        f"A reply is taken to have {found.reply_tokens:,} tokens (--expect-tokens), shown whole to every aggregation.",
    ]
    if found.to_dict()["at_most"]:
        lines.append("At most: what stops or copies makes fewer calls, as the answers have it.")
    title = Text(f"Dry run: {found.source}, {seeds}; no model is asked", "bold")
    return Group(title, table(columns, rows), Text("\n".join([*lines, *filter(None, [note])])))
