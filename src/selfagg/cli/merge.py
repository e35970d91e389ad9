"""``selfagg merge``: the records of one run's shards, made into one."""

from __future__ import annotations

from pathlib import Path

from selfagg.cli.generate import command


@command
def merge(records: list[Path], *, out: Path) -> None:
    """Merge the records of eval --shard; the whole record can be analyzed, reported and continued.

    Args:
        records: Records of shards, or folders of them.
        out: The record to write, or to add to.
    """
    from selfagg.evaluation.records import merge as merged

    print(f"{out}: {merged(records, out):,} new generations")
