"""``selfagg advise``: cheaper settings, searched on a record."""

from __future__ import annotations

from pathlib import Path

from selfagg.cli.generate import command
from selfagg.terminal import print_result


@command
def advise(
    record: Path,
    *,
    calls: float | None = None,
    depth: float | None = None,
    loss: float | None = None,
    plot: Path | None = None,
    as_json: bool = False,
) -> None:
    """Search cheaper settings on a record, without a model, and print the flags to type.

    Fewer members and populations, --stop, --copy and votes are tried. With --loss the cheapest settings that keep to it
    are named, else the most accurate ones within --calls and --depth.

    Args:
        record: The record of an RSA run without --stop and --copy, or of a vote.
        calls: Most calls a question, on average.
        depth: Most populations one after the other.
        loss: Points of accuracy to give up (1 where nothing is asked).
        plot: Draw accuracy against calls and tokens into this PNG, SVG or PDF file.
        as_json: Print one JSON object on stdout.
    """
    from selfagg.cli.shadow_table import advice_table
    from selfagg.evaluation.records import advise as search

    advice = search(record, calls=calls, depth=depth, loss=loss)
    if plot:
        from selfagg.analysis.plots import draw_front

        draw_front(advice.plain, advice.front, plot)
    print_result(advice.to_dict(), advice_table, as_json=as_json)
