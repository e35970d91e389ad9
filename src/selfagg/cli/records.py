"""The commands that read records: analyze, advise, merge, replay, report, plot; no model is asked."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from selfagg.analysis.labels import plural
from selfagg.analysis.plots import PanelName
from selfagg.cli import work
from selfagg.cli.generate import command
from selfagg.cli.options import CodeOptions
from selfagg.cli.tables import advice_table, analysis_tables, percent, shadow_table, summary_table
from selfagg.evaluation.advise import advise as search
from selfagg.evaluation.analyze import analyze as analyzed
from selfagg.evaluation.record_files import merge as merged
from selfagg.evaluation.record_files import opened_record, records_of
from selfagg.evaluation.record_files import plot as draw
from selfagg.evaluation.record_files import report as write
from selfagg.evaluation.replay import Change
from selfagg.evaluation.replay import replay as replay_record
from selfagg.run.runner import Choice
from selfagg.terminal import one_line, print_result

SHOWN = 10
"""So many changed members are listed; ``--json`` has all."""


@command
def analyze(
    record: Path,
    *,
    stop: str | None = None,
    copy: bool = False,
    answer: Choice | None = None,
    n: int | None = None,
    t: int | None = None,
    as_json: bool = False,
) -> None:
    """Analyze a run: its populations, what aggregating did, whether more of it pays, and each group.

    With --stop, --copy, --answer, -n or -t: what these settings would have saved and cost, without a model.

    Args:
        record: A record of one run.
        stop: End questions early: share:0.875, unanimous; for majority decided, asc:0.95.
        copy: Copy sets whose candidates agree.
        answer: sample: a member of the last population. majority: its vote.
        n: Fewer members.
        t: Fewer populations.
    """
    found = analyzed(record, stop=stop, copy=copy or None, answer=answer, n=n, t=t).to_dict()
    if found["shadow"] and not as_json:
        print_result(found["shadow"], shadow_table, as_json=False)
    else:
        print_result(found, analysis_tables, as_json=as_json)


@command
def advise(
    record: Path,
    *,
    calls: float | None = None,
    depth: float | None = None,
    loss: float | None = None,
    plot: Path | None = None,
    as_json: bool = False,
) -> None:
    """Search cheaper settings on a record, without a model, and print the flags to type.

    Fewer members and populations, --stop, --copy and votes are tried. With --loss the cheapest settings that keep to it
    are named, else the most accurate ones within --calls and --depth.

    Args:
        record: The record of an RSA run without --stop and --copy, or of a vote.
        calls: Most calls a question, on average.
        depth: Most populations one after the other.
        loss: Points of accuracy to give up (1 where nothing is asked).
        plot: Draw accuracy against calls and tokens into this PNG, SVG or PDF file.
    """
    advice = search(record, calls=calls, depth=depth, loss=loss)
    if plot:
        from selfagg.analysis.plots import draw_front

        draw_front(advice.plain, advice.front, plot)
    print_result(advice.to_dict(), advice_table, as_json=as_json)


@command
def merge(records: list[Path], *, out: Path) -> None:
    """Merge the records of eval --shard; the whole record can be analyzed, reported and continued.

    Args:
        records: Records of shards, or folders of them.
        out: The record to write, or to add to.
    """
    print(f"{out}: {plural(merged(records, out), 'new generation')}")


@command
def report(records: list[Path], *, out: Path | None = None, title: str | None = None) -> None:
    """Write one self-contained HTML file: the comparison, the curves, and every question with all its members.

    Args:
        records: Records, or folders of them.
        out: The file to write (default: the first record's name with .html).
        title: The page's heading.
    """
    print(write(records, out or records_of(records)[0].with_suffix(".html"), title=title))


@command
def plot(records: list[Path], *, out: Path, panel: PanelName | None = None) -> None:
    """Plot accuracy by population and against tokens, diversity, lengths, r_c and the accuracy that it predicts.

    Args:
        records: Records, or folders of them.
        out: The file to write; its ending says PNG, SVG or PDF.
        panel: One panel alone, as wide as a paper's column (default: all).
    """
    if words := draw(records, out, panel).sentence():
        print(f"note: {words}", file=sys.stderr)
    print(out)


@command
def replay(
    record: Path,
    *,
    code: CodeOptions,
    method: str | None = None,
    n: int | None = None,
    k: int | None = None,
    t: int | None = None,
    out: Path | None = None,
    scorer: str | None = None,
    as_json: bool = False,
) -> None:
    """Score, vote or select anew from what a record holds, without a model.

    For a corrected answer or scorer, another way to choose among the first samples, or a run of fewer populations.
    Members whose answer or score is another one than before are listed.

    Args:
        record: The record; it is not changed.
        method: Another way to choose (default: the recorded method).
        n: Fewer members.
        k: The recorded one.
        t: Fewer populations.
        out: Keep the replay as a record of its own.
        scorer: A scorer that a package registers (default: by the question's kind).
    """
    with opened_record(record) as source:
        work.prepare_code(code, list(source.questions()), Console(stderr=True))
    replayed = replay_record(record, method=method, n=n, k=k, t=t, scorer=scorer, out=out)
    print_result(replayed.to_dict(), lambda found: _replay_table(found, replayed.changed), as_json=as_json)
    work.check_complete(replace(replayed.replayed.missing, failed=0))  # a replay makes no call again


def _replay_table(found: Mapping[str, Any], changed: Sequence[Change]) -> Any:
    before, after = found["recorded"], found["replayed"]
    told = (
        f"replayed   {before['method']} recorded {percent(before['answer_accuracy'])}, "
        f"{after['method']} replayed {percent(after['answer_accuracy'])}; no model was asked"
    )
    return Group(summary_table(after), Text("\n".join([told, *_listed(changed)])))


def _listed(changed: Sequence[Change]) -> Iterator[str]:
    """Yield the numbers of members that changed in each way, and the first of them."""
    if not changed:
        yield "changed    no member's answer or score"
        return
    yield f"changed    {plural(len(changed), 'member')}"
    for (before, after), times in Counter(change.verdicts for change in changed).most_common():
        yield f"           {times:,} {f'{before} -> {after}' if before != after else f'{before} as before'}"
    for change in changed[:SHOWN]:
        before, after = (
            f"{one_line(str(answer), 40)} ({word})" for answer, word in zip(change.answer, change.verdicts, strict=True)
        )
        yield f"           {one_line(change.question, 40)}  t={change.t} i={change.i}: {before} -> {after}"
    if len(changed) > SHOWN:
        yield f"           and {len(changed) - SHOWN:,} more: --json lists all"
