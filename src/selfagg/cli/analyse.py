"""``selfagg analyse``: what a record tells, on the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from selfagg.cli.options import Answer, Copy, Json, StopRule
from selfagg.cli.terminal import results, show


def analyse(
    record: Annotated[Path, typer.Argument(help="A record of one run.")],
    stop: StopRule = None,
    copy: Copy = False,
    answer: Answer = None,
    n: Annotated[int | None, typer.Option("-n", help="Fewer members.")] = None,
    t: Annotated[int | None, typer.Option("-t", help="Fewer populations.")] = None,
    as_json: Json = False,
) -> None:
    """Tell what a record holds: its populations, what aggregating did, whether more of it pays, and each group.

    With --stop, --copy, --answer, -n or -t: what these settings would have saved and cost, without a model.
    """
    from selfagg.cli.analysis_tables import analysis_tables
    from selfagg.cli.shadow_table import shadow_table
    from selfagg.records import analyze

    found = analyze(record, stop=stop, copy=copy or None, answer=answer, n=n, t=t).to_dict()
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        show(shadow_table(found["shadow"]) if found["shadow"] else analysis_tables(found), results())
