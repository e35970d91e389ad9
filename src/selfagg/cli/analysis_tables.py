"""The tables of ``selfagg analyze``, drawn from the very values that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from selfagg.cli.tables import Columns, interval, number, percent, summary_table, table
from selfagg.terminal import one_line

NAMED = 8
"""So many questions are named where many share a fate."""

Row = Mapping[str, Any]


def analysis_tables(found: Row) -> Group:
    """Return everything, section by section; a section of which a run tells nothing is left out.

    Args:
        found: As `selfagg.analysis.overview.Analysis.to_dict` gives it.
    """
    parts: list[RenderableType] = [summary_table(found["run"]), *_populations(found["populations"])]
    if found["transitions"]:
        parts += [*_transitions(found["transitions"]), *_fates(found["fates"])]
    sections: dict[str, Callable[[Any], list[RenderableType]]] = {
        "r_c": _rates,
        "trajectory": _trajectory,
        "ancestry": _ancestry,
        "groups": _groups,
    }
    for name, section in sections.items():
        if found[name]:
            parts += section(found[name])
    return Group(*parts)


def _section(heading: str, columns: Columns, rows: Iterable[Row]) -> list[RenderableType]:
    return [Text(f"\n{heading}", "bold"), table(columns, rows)]


def _populations(populations: Sequence[Row]) -> list[RenderableType]:
    known = [k for k in populations[0]["pass_at_k"] if all(k in one["pass_at_k"] for one in populations)]
    answers: Columns = {
        "t": lambda one: one["t"],
        **{f"pass@{k}": partial(_pass_at, k=k) for k in known},
        "majority (95 %)": lambda one: f"{percent(one['majority'])} ({interval(one['majority_interval'])})",
        "partial credit": lambda one: percent(one["partial_credit"]),
        "entropy": lambda one: f"{one['entropy']:.2f} bit",
    }
    lengths: Columns = {
        "t": lambda one: one["t"],
        **{f"{float(share):.0%}": partial(_quantile, share=share) for share in ("0.05", "0.5", "0.95")},
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
        *_section("chance that at least one of k members is right; agreement", answers, populations),
        *_section(told, lengths, populations),
    ]


def _pass_at(one: Row, k: str) -> str:
    return percent(one["pass_at_k"][k])


def _quantile(one: Row, share: str) -> str:
    return f"{one['token_quantiles'][share]:,.0f}" if one["token_quantiles"] else "-"


def _transitions(steps: Sequence[Row]) -> list[RenderableType]:
    columns: Columns = {
        "t": lambda step: step["t"],
        "right->wrong": lambda step: f"{step['lost_count']:,} ({percent(step['lost'])})",
        "wrong->right": lambda step: f"{step['gained_count']:,} ({percent(step['gained'])})",
        "majorities -/+": lambda step: f"-{step['majorities_lost']} +{step['majorities_gained']}",
        "died out": lambda step: step["died_out"],
        "rescued": lambda step: step["rescued"],
    }
    return _section("what aggregating did to the vote of its own candidates, and to questions", columns, steps)


def _fates(fates: Mapping[str, Sequence[str]]) -> list[RenderableType]:
    words = {"died_out": "died out for good", "rescued": "rescued to the end", "never_right": "never right"}
    untold = {"no_reply": "no reply at all", "unscored": "not all scored"}
    words |= {fate: told for fate, told in untold.items() if fates[fate]}
    return [Text("\n".join(["", *(f"{words[fate]:<18} {_named(fates[fate])}" for fate in words)]))]


def _named(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{len(names):,}: {', '.join(one_line(name, 40) for name in names[:NAMED])}{more}"


def _rates(rates: Sequence[Row]) -> list[RenderableType]:
    columns: Columns = {
        "c of K": lambda rate: f"{rate['c']} of {rate['k']}",
        "right": lambda rate: percent(rate["share"]),
        "95 % interval": lambda rate: interval(rate["interval"]),
        "aggregations": lambda rate: f"{rate['aggregations']:,}",
    }
    return _section("r_c: share of right aggregations by how many of their candidates were right", columns, rates)


def _trajectory(trajectory: Row) -> list[RenderableType]:
    columns: Columns = {
        "t": lambda step: step["t"],
        "measured": lambda step: percent(step["measured"]),
        "predicted": lambda step: percent(step["predicted"]),
        "95 % interval": lambda step: interval((step["low"], step["high"])),
        "tokens a question": lambda step: number(step["tokens"]),
    }
    heading = "accuracy that r_c predicts from the first population, and measured"
    gain = f"{100 * trajectory['least_gain']:g} point of accuracy each"
    if trajectory["enough"] is None:
        verdict = f"Every population predicted here gains {gain} or more: none is too many yet."
    else:
        verdict = f"After population {trajectory['enough']} further ones gain less than {gain}: not worth their tokens."
    guessed = f" r_c was never seen for c = {', '.join(map(str, trajectory['guessed']))}: read off its neighbours."
    told = Text(f"\n{verdict}{guessed if trajectory['guessed'] else ''}")
    return [*_section(heading, columns, trajectory["steps"]), told]


def _ancestry(populations: Sequence[Row]) -> list[RenderableType]:
    columns: Columns = {
        "t": lambda one: one["t"],
        "reached by a member": lambda one: percent(one["reached"]),
        "effective number": lambda one: f"{one['effective']:.1f}",
        "shared by two members": lambda one: percent(one["overlap"]),
    }
    return _section("ancestors in the first population", columns, populations)


def _groups(groups: Sequence[Row]) -> list[RenderableType]:
    columns: Columns = {
        "group": lambda group: one_line(group["group"] or "(none)", 40),
        "questions": lambda group: f"{group['questions']:,}",
        "first": lambda group: percent(group["accuracies"][0]),
        "last": lambda group: percent(group["accuracies"][-1]),
        "majority of the last": lambda group: percent(group["majority"]),
        "answer (95 %)": lambda group: f"{percent(group['answer_accuracy'])} ({interval(group['answer_interval'])})",
    }
    return _section("by group", columns, groups)
