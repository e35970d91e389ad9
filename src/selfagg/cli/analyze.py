"""``selfagg analyze``: what a record tells, on the terminal."""

from __future__ import annotations

from pathlib import Path

from selfagg.cli.generate import command
from selfagg.run.runner import Choice
from selfagg.terminal import print_result


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
        as_json: Print one JSON object on stdout.
    """
    from selfagg.cli.analysis_tables import analysis_tables
    from selfagg.cli.shadow_table import shadow_table
    from selfagg.evaluation.records import analyze as analyzed

    found = analyzed(record, stop=stop, copy=copy or None, answer=answer, n=n, t=t).to_dict()
    if found["shadow"] and not as_json:
        print_result(found["shadow"], shadow_table, as_json=False)
    else:
        print_result(found, analysis_tables, as_json=as_json)
