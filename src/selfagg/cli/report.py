"""``selfagg report`` and ``selfagg plot``: what records hold, to look at."""

from __future__ import annotations

import sys
from pathlib import Path

from selfagg.analysis.labels import PanelName
from selfagg.cli.generate import command


@command
def report(records: list[Path], *, out: Path | None = None, title: str | None = None) -> None:
    """Write one self-contained HTML file: the comparison, the curves, and every question with all its members.

    Args:
        records: Records, or folders of them.
        out: The file to write (default: the first record's name with .html).
        title: The page's heading.
    """
    from selfagg.evaluation.records import records_of
    from selfagg.evaluation.records import report as write

    written = out or records_of(records)[0].with_suffix(".html")
    print(write(records, written, title=title))


@command
def plot(records: list[Path], *, out: Path, panel: PanelName | None = None) -> None:
    """Plot accuracy by population and against tokens, diversity, lengths, r_c and the accuracy that it predicts.

    Args:
        records: Records, or folders of them.
        out: The file to write; its ending says PNG, SVG or PDF.
        panel: One panel alone, as wide as a paper's column (default: all).
    """
    from selfagg.evaluation.records import plot as draw

    if words := draw(records, out, panel).sentence():
        print(f"note: {words}", file=sys.stderr)
    print(out)
