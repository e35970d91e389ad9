"""The tables of settings that a record tells of: one for ``analyze --stop ...``, one for ``advise``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selfagg.cli.tables import interval, number, percent

EXACT = "Exact: these are the calls and answers of a run with these settings."
DRAWN = (
    "By r_c: the record lacks these members. They are drawn, each aggregation right as often as this question's were\n"
    "with as many right candidates."
)


def shadow_table(shadow: Mapping[str, Any]) -> Group:
    """Return the table of savings and costs of other settings.

    Args:
        shadow: As `selfagg.analysis.shadow.Shadow.to_dict` gives it.
    """
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in _lines(shadow):
        table.add_row(name, value)
    named = " ".join(f"{value}" if key == "name" else f"{key}={value}" for key, value in shadow["method"].items())
    head = Text(f"{named}, on {shadow['questions']:,} recorded questions; no model was asked", "bold")
    return Group(head, table, Text(f"\n{EXACT if shadow['exact'] else DRAWN}"))


def _lines(shadow: Mapping[str, Any]) -> list[tuple[str, str]]:
    calls, recorded = shadow["calls"], shadow["recorded_calls"]
    tokens = f"{number(shadow['tokens'])} of {number(shadow['recorded_tokens'])}"
    lines = [
        ("calls a question", f"{calls:,.1f} of {recorded:,.0f} ({calls / recorded:.0%})"),
        ("tokens a question", tokens),
        ("populations", f"{shadow['depth']:.1f} on average, one after the other"),
    ]
    if shadow["accuracy"] is None:
        lines.append(("accuracy", "not known: the questions have no gold answers"))
    else:
        lines += [
            ("accuracy", f"{percent(shadow['accuracy'])} ({interval(shadow['interval'])})"),
            ("against the run's answer", _difference(shadow["difference"])),
            ("against the run's last vote", _difference(shadow["against_vote"])),
        ]
    if shadow["reversal"] is not None:
        again = f"{percent(shadow['reversal'])} ({interval(shadow['reversal_interval'])})"
        lines.append(
            ("reversal rate", f"{again} of {shadow['agreed']:,} populations that agreed: another final answer")
        )
    elif "stop" in shadow["method"]:
        lines.append(("reversal rate", "not known: no population before the last agreed so far"))
    return lines


def _difference(found: Mapping[str, Any]) -> str:
    low, high = found["interval"]
    return f"{100 * found['mean']:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}): {found['verdict']}"


def advice_table(found: Mapping[str, Any]) -> Group:
    """Print the front, and the flags to type.

    Args:
        found: As `selfagg.evaluation.advise.Advice.to_dict` gives it.
    """
    recorded, chosen = found["recorded"], found["chosen"]
    table = Table(box=None, pad_edge=False)
    for name in ("", "calls", "depth", "accuracy", "against the run (95 %)", "known", "flags"):
        table.add_column(name, justify="left" if name in ("", "flags", "known") else "right", no_wrap=name != "flags")
    for one in [*found["front"], *([chosen] if chosen and chosen not in found["front"] else [])]:
        low, high = one["difference"]["interval"]
        table.add_row(
            ">" if chosen and one["flags"] == chosen["flags"] else "",
            f"{one['calls']:,.1f}",
            f"{one['depth']:.1f}",
            percent(one["accuracy"]),
            f"{100 * one['difference']['mean']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})",
            "exact" if one["exact"] else "by r_c",
            one["flags"],
        )
    named = " ".join(f"{value}" if key == "name" else f"{key}={value}" for key, value in recorded["method"].items())
    head = f"{named}: {recorded['calls']:,.0f} calls a question, accuracy {percent(recorded['accuracy'])}"
    lines = [
        "",
        f"Of {found['tried']:,} settings, tried without a model, those that no other beats in calls and accuracy.",
        "The best of so many is in part luck: look at the intervals, and check it on other questions.",
        f"type   {chosen['flags']}" if chosen else "None of them keeps to what was asked.",
    ]
    return Group(Text(head, "bold"), table, Text("\n".join(lines)))


def front_table(front: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Return the front of a sweep: settings that no other beats in calls and accuracy; nothing where there is none.

    Args:
        front: Entries as `selfagg.evaluation.advise.flags` and `Shadow.to_dict` give them.
    """
    if not front:
        return []
    table = Table(box=None, pad_edge=False)
    for name in ("calls", "depth", "tokens", "accuracy", "flags"):
        table.add_column(name, justify="left" if name == "flags" else "right")
    for one in front:
        numbers = (f"{one['calls']:,.1f}", f"{one['depth']:.1f}", number(one["tokens"]), percent(one["accuracy"]))
        table.add_row(*numbers, one["flags"])
    heading = "the front: no other settings read off these runs are cheaper and more often right"
    return [Text(f"\n{heading}", "bold"), table]
