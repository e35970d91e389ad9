"""``selfagg merge``: the records of one run's shards, made into one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    records: Annotated[list[Path], typer.Argument(metavar="RECORD...", help="Records of shards, or folders of them.")],
    out: Annotated[Path, typer.Option(help="The record to write, or to add to.")],
) -> None:
    """Merge the records of eval --shard; the whole record can be analyzed, reported and continued."""
    from selfagg import records as public

    typer.echo(f"{out}: {public.merge(records, out):,} new generations")
