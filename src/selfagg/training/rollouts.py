"""The responses sampled in each step of a training, kept in one small parquet file a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from selfagg._internal.files import whole


@dataclass(slots=True)
class Rollout:
    """One response that was sampled in training.

    Attributes:
        step: Of the training, from 1.
        index: Place of its prompt in the training set.
        id: Of its question.
        aggregation: True if its prompt shows candidates.
        k: Number of candidates.
        c: Number of right candidates; -1 for a plain prompt.
        t: Population in an end-to-end loop, else 1.
        i: Member of it, else 0.
        text: The response.
        reward: Its reward; None where it could not be scored.
        tokens: Its length.
        cut: True if it ended at the length limit.
        entropy: Mean over its tokens of the policy's entropy, in nats; None before the update.
    """

    step: int
    index: int
    id: str
    aggregation: bool
    k: int
    c: int
    t: int
    i: int
    text: str
    reward: float | None
    tokens: int
    cut: bool
    entropy: float | None = None


def rollouts_file(folder: Path, step: int) -> Path:
    """Return the path of a step's rollouts."""
    return folder / f"step-{step:06d}.parquet"


def write_rollouts(folder: Path, step: int, rollouts: Sequence[Rollout]) -> Path:
    """Write a step's rollouts at once, in place of those of an earlier try at the same step."""
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    types = {"str": pa.string(), "int": pa.int64(), "bool": pa.bool_()}
    schema = pa.schema([(field.name, types.get(str(field.type), pa.float64())) for field in fields(Rollout)])
    folder.mkdir(parents=True, exist_ok=True)
    path = rollouts_file(folder, step)
    table = pa.Table.from_pylist([asdict(rollout) for rollout in rollouts], schema=schema)
    with whole(path) as partial:
        parquet.write_table(table, partial, compression="zstd")
    return path


def read_rollouts(folder: Path) -> Iterator[Rollout]:
    """Yield all rollouts of a training, step by step."""
    import pyarrow.parquet as parquet

    for path in sorted(folder.glob("step-*.parquet")):
        for row in parquet.read_table(path).to_pylist():
            yield Rollout(**row)
