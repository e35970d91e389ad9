"""``selfagg analyze``: what a record tells, on the terminal."""

from __future__ import annotations

from pathlib import Path

from selfagg.cli.generate import command
from selfagg.terminal import print_result


@command
def analyze(record: Path, *, as_json: bool = False) -> None:
    """Analyze a run: its populations, what aggregating did, whether more of it pays, and each group.

    Args:
        record: A record of one run.
        as_json: Print one JSON object on stdout.
    """
    from selfagg import records
    from selfagg.cli.analysis_tables import analysis_tables

    print_result(records.analyze(record).to_dict(), analysis_tables, as_json=as_json)
