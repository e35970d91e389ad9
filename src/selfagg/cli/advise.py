"""``selfagg advise``: cheaper settings, searched on a record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from selfagg.cli.options import Json
from selfagg.cli.terminal import results, show


def advise(
    record: Annotated[Path, typer.Argument(help="The record of an RSA run without --stop and --copy, or of a vote.")],
    calls: Annotated[float | None, typer.Option(min=1.0, help="Most calls a question, on average.")] = None,
    depth: Annotated[float | None, typer.Option(min=1.0, help="Most populations one after the other.")] = None,
    loss: Annotated[
        float | None, typer.Option(min=0.0, help="Points of accuracy to give up (1 where nothing is asked).")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw accuracy against calls and tokens into this PNG, SVG or PDF file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search cheaper settings on a record, without a model, and print the flags to type.

    Fewer members and populations, --stop, --copy and votes are tried. With --loss the cheapest settings that keep to it
    are named, else the most accurate ones within --calls and --depth.
    """
    from selfagg.analysis.front import draw_front
    from selfagg.cli.shadow_table import advice_table
    from selfagg.records import advise as search

    advice = search(record, calls=calls, depth=depth, loss=loss)
    if plot:
        draw_front(advice.plain, advice.front, plot)
    found = advice.to_dict()
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        show(advice_table(found), results())
