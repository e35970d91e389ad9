"""``selfagg analyse``: what a record tells, on the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from selfagg.cli.options import Json
from selfagg.cli.terminal import results, show


def analyse(
    record: Annotated[Path, typer.Argument(help="A record of one run.")],
    as_json: Json = False,
) -> None:
    """Tell what a record holds: its populations, what aggregating did, whether more of it pays, and each group."""
    from selfagg.cli.analysis_tables import analysis_tables
    from selfagg.evaluation.records import analyze

    found = analyze(record).to_dict()
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        show(analysis_tables(found), results())
