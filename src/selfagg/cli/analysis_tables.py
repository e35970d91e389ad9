"""The tables of ``selfagg analyse``, drawn from the very values that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selfagg.cli.tables import interval, number, percent, summary_table
from selfagg.cli.terminal import one_line

NAMED = 8
"""So many questions are named where many share a fate."""


def analysis_tables(found: Mapping[str, Any]) -> Group:
    """Everything, section by section; one that a run has nothing to say of is left out.

    Args:
        found: As `selfagg.analysis.overview.Analysis.to_dict` gives it.
    """
    parts: list[RenderableType] = [summary_table(found["run"]), *_populations(found["populations"])]
    if found["transitions"]:
        parts += _transitions(found["transitions"])
        parts += _fates(found["fates"])
    if found["r_c"]:
        parts += _rates(found["r_c"])
    if found["trajectory"]:
        parts += _trajectory(found["trajectory"])
    if found["ancestry"]:
        parts += _ancestry(found["ancestry"])
    if found["groups"]:
        parts += _groups(found["groups"])
    return Group(*parts)


def _table(heading: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[RenderableType]:
    table = Table(box=None, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place or name in ("t", "c of K") else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return [Text(f"\n{heading}", "bold"), table]


def _populations(populations: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    ks = list(populations[0]["pass_at_k"])
    known = [k for k in ks if all(k in one["pass_at_k"] for one in populations)]
    answers = _table(
        "chance that at least one of k members is right; agreement",
        ["t", *(f"pass@{k}" for k in known), "majority (95 %)", "partial credit", "entropy"],
        (
            [
                str(one["t"]),
                *(percent(one["pass_at_k"][k]) for k in known),
                f"{percent(one['majority'])} ({interval(one['majority_interval'])})",
                percent(one["partial_credit"]),
                f"{one['entropy']:.2f} bit",
            ]
            for one in populations
        ),
    )
    shares = ("0.05", "0.5", "0.95")
    lengths = _table(
        "lengths of replies in tokens; what a question had cost when the population was there",
        [
            "t",
            *(f"{float(share):.0%}" for share in shares),
            "cut",
            "failed",
            "unscored",
            "calls",
            "tokens",
            "seconds",
            "in a chain",
        ],
        (
            [
                str(one["t"]),
                *(f"{one['token_quantiles'][share]:,.0f}" if one["token_quantiles"] else "-" for share in shares),
                f"{one['replies_cut']:,}",
                f"{one['unanswered_failed']:,}",
                f"{one['unscored']:,}",
                f"{one['cost']['calls']:,.0f}",
                number(one["cost"]["tokens"]),
                f"{one['cost']['seconds']:,.1f}",
                f"{one['chain_seconds']:,.1f}",
            ]
            for one in populations
        ),
    )
    return [*answers, *lengths]


def _transitions(steps: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    return _table(
        "what aggregating did to the vote of its own candidates, and to questions",
        ["t", "right->wrong", "wrong->right", "majorities -/+", "died out", "rescued"],
        (
            [
                str(step["t"]),
                f"{step['lost_count']:,} ({percent(step['lost'])})",
                f"{step['gained_count']:,} ({percent(step['gained'])})",
                f"-{step['majorities_lost']} +{step['majorities_gained']}",
                str(step["died_out"]),
                str(step["rescued"]),
            ]
            for step in steps
        ),
    )


def _fates(fates: Mapping[str, Sequence[str]]) -> list[RenderableType]:
    words = {"died_out": "died out for good", "rescued": "rescued to the end", "never_right": "never right"}
    untold = {"no_reply": "no reply at all", "unscored": "not all scored"}
    words |= {fate: told for fate, told in untold.items() if fates[fate]}
    lines = [f"{words[fate]:<18} {_named(fates[fate])}" for fate in words]
    return [Text("\n".join(["", *lines]))]


def _named(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{len(names):,}: {', '.join(one_line(name, 40) for name in names[:NAMED])}{more}"


def _rates(rates: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    return _table(
        "r_c: share of right aggregations by how many of their candidates were right",
        ["c of K", "right", "95 % interval", "aggregations"],
        (
            [
                f"{rate['c']} of {rate['k']}",
                percent(rate["share"]),
                interval(rate["interval"]),
                f"{rate['aggregations']:,}",
            ]
            for rate in rates
        ),
    )


def _trajectory(trajectory: Mapping[str, Any]) -> list[RenderableType]:
    tables = _table(
        "accuracy that r_c predicts from the first population, and measured",
        ["t", "measured", "predicted", "95 % interval", "tokens a question"],
        (
            [
                str(step["t"]),
                percent(step["measured"]),
                percent(step["predicted"]),
                interval((step["low"], step["high"])),
                number(step["tokens"]),
            ]
            for step in trajectory["steps"]
        ),
    )
    gain = f"{100 * trajectory['least_gain']:g} point of accuracy each"
    if trajectory["enough"] is None:
        verdict = f"Every population predicted here gains {gain} or more: none is too many yet."
    else:
        verdict = f"After population {trajectory['enough']} further ones gain less than {gain}: not worth their tokens."
    guessed = f" r_c was never seen for c = {', '.join(map(str, trajectory['guessed']))}: read off its neighbours."
    return [*tables, Text(f"\n{verdict}{guessed if trajectory['guessed'] else ''}")]


def _ancestry(generations: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    return _table(
        "ancestors in the first population",
        ["t", "reached by a member", "effective number", "shared by two members"],
        (
            [
                str(one["t"]),
                percent(one["reached"]),
                f"{one['effective']:.1f}",
                percent(one["overlap"]),
            ]
            for one in generations
        ),
    )


def _groups(groups: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    return _table(
        "by group",
        ["group", "questions", "first", "last", "majority of the last", "answer (95 %)"],
        (
            [
                one_line(group["group"] or "(none)", 40),
                f"{group['questions']:,}",
                percent(group["accuracies"][0]),
                percent(group["accuracies"][-1]),
                percent(group["majority"]),
                f"{percent(group['answer_accuracy'])} ({interval(group['answer_interval'])})",
            ]
            for group in groups
        ),
    )
