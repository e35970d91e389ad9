"""``selfagg replay``: a record read again without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfagg.cli.generate import command
from selfagg.cli.options import CodeOptions
from selfagg.terminal import one_line, print_result

if TYPE_CHECKING:
    from selfagg.evaluation.replay import Change

SHOWN = 10
"""So many changed members are listed; ``--json`` has all."""


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
        as_json: Print one JSON object on stdout.
    """
    from rich.console import Console

    from selfagg.cli import stopping
    from selfagg.cli.code import prepare_code
    from selfagg.evaluation.records import opened_record
    from selfagg.evaluation.records import replay as replay_record

    with opened_record(record) as source:
        prepare_code(code, list(source.questions()), Console(stderr=True))
    replayed = replay_record(record, method=method, n=n, k=k, t=t, scorer=scorer, out=out)
    print_result(replayed.to_dict(), lambda found: _table(found, replayed.changed), as_json=as_json)
    stopping.check_complete(replace(replayed.replayed.missing, failed=0))  # a replay makes no call again


def _table(found: Mapping[str, Any], changed: Sequence[Change]) -> Any:
    from rich.console import Group
    from rich.text import Text

    from selfagg.cli.tables import summary_table

    lines = [_before_and_after(found), *_listed(changed)]
    return Group(summary_table(found["replayed"]), Text("\n".join(lines)))


def _before_and_after(found: Mapping[str, Any]) -> str:
    from selfagg.cli.tables import percent

    recorded, replayed = found["recorded"], found["replayed"]
    return (
        f"replayed   {recorded['method']} recorded {percent(recorded['answer_accuracy'])}, "
        f"{replayed['method']} replayed {percent(replayed['answer_accuracy'])}; no model was asked"
    )


def _listed(changed: Sequence[Change]) -> Iterator[str]:
    """Yield the numbers of members that changed in each way, and the first of them."""
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
