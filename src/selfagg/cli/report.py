"""``selfagg report``: one HTML file to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    records: Annotated[list[Path], typer.Argument(metavar="RECORD...", help="Records, or folders of them.")],
    out: Annotated[
        Path | None, typer.Option(help="The file to write (default: the first record's name with .html).")
    ] = None,
    title: Annotated[str | None, typer.Option(help="The page's heading.")] = None,
) -> None:
    """Write one self-contained HTML file: the comparison, the curves, and every question with all its members."""
    from selfagg.evaluation.records import build_report, records_of

    written = out or records_of(records)[0].with_suffix(".html")
    typer.echo(str(build_report(records, written, title=title)))
