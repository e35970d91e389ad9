"""``selfagg replay``: a record read again without a model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selfagg.cli.options import CodeOptions, Json, ScorerName, spread
from selfagg.cli.terminal import one_line, results, show

if TYPE_CHECKING:
    from selfagg.evaluation.replay import Change

SHOWN = 10
"""So many changed members are listed; ``--json`` has all."""


@spread
def replay(
    record: Annotated[Path, typer.Argument(help="The record; it is not changed.")],
    code: CodeOptions,
    method: Annotated[str | None, typer.Option(help="Another way to choose (default: the recorded method).")] = None,
    n: Annotated[int | None, typer.Option("-n", help="Fewer members.")] = None,
    k: Annotated[int | None, typer.Option("-k", help="The recorded one.")] = None,
    t: Annotated[int | None, typer.Option("-t", help="Fewer populations.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep the replay as a record of its own.")] = None,
    scorer: ScorerName = None,
    as_json: Json = False,
) -> None:
    """Score, vote or select anew from what a record holds, without a model.

    For a corrected answer or scorer, another way to choose among the first samples, or a run of fewer populations.
    Members whose answer or score is another one than before are listed.
    """
    from rich.console import Console

    from selfagg.cli import stopping
    from selfagg.cli.code import prepare_code
    from selfagg.cli.tables import summary_table
    from selfagg.evaluation.records import opened_record
    from selfagg.evaluation.records import replay as replay_record

    with opened_record(record) as source:
        prepare_code(code, list(source.questions()), Console(stderr=True))
    replayed = replay_record(record, method=method, n=n, k=k, t=t, scorer=scorer, out=out)
    missing = replace(replayed.replayed.missing, failed=0)  # a replay makes no call again
    found = replayed.to_dict()
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        console = results()
        show(summary_table(found["replayed"]), console)
        for line in (_before_and_after(found), *_listed(replayed.changed)):
            console.print(line, markup=False, highlight=False)
    stopping.check_complete(missing)


def _before_and_after(found: dict[str, Any]) -> str:
    from selfagg.cli.tables import percent

    recorded, replayed = found["recorded"], found["replayed"]
    return (
        f"replayed   {recorded['method']} recorded {percent(recorded['answer_accuracy'])}, "
        f"{replayed['method']} replayed {percent(replayed['answer_accuracy'])}; no model was asked"
    )


def _listed(changed: Sequence[Change]) -> Iterator[str]:
    """How many members changed in which way, and the first of them."""
    if not changed:
        yield "changed    no member's answer or score"
        return
    yield f"changed    {len(changed):,} {'member' if len(changed) == 1 else 'members'}"
    for (before, after), times in Counter(change.verdicts for change in changed).most_common():
        yield f"           {times:,} {f'{before} -> {after}' if before != after else f'{before} as before'}"
    for change in changed[:SHOWN]:
        before, after = (
            f"{one_line(str(answer), 40)} ({word})" for answer, word in zip(change.answer, change.verdicts, strict=True)
        )
        yield f"           {one_line(change.question, 40)}  t={change.t} i={change.i}: {before} -> {after}"
    if len(changed) > SHOWN:
        yield f"           and {len(changed) - SHOWN:,} more: --json lists all"
