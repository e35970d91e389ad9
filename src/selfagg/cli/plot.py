"""``selfagg plot``: the figures of one record or several as a picture for a paper."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer


def plot(
    records: Annotated[list[Path], typer.Argument(metavar="RECORD...", help="Records, or folders of them.")],
    out: Annotated[Path, typer.Option(help="The file to write; its ending says PNG, SVG or PDF.")],
    panel: Annotated[
        Literal["accuracy", "pass", "cost", "diversity", "length", "r_c", "predicted"] | None,
        typer.Option(help="One panel alone, as wide as a paper's column (default: all)."),
    ] = None,
) -> None:
    """Draw accuracy by population and against tokens, diversity, lengths, r_c and the accuracy that it predicts.

    One curve is one method: its seeds are pooled. Bands are 95 % intervals over questions and seeds.
    """
    from selfagg.analysis.missing import Missing
    from selfagg.analysis.plots import plot as draw
    from selfagg.engine.record import Record
    from selfagg.records import records_of

    with ExitStack() as opened:
        given = [opened.enter_context(Record(path, read_only=True)) for path in records_of(records)]
        for record in given:
            record.check_run()
        draw(given, out, panel)
        if words := sum(map(Missing.of, given), Missing()).sentence():
            typer.echo(f"note: {words}", err=True)
    typer.echo(str(out))
