"""One row of a training set, and the parquet files that hold them in the columns that verl and TRL read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from selfagg._internal.files import whole
from selfagg.errors import UsageError
from selfagg.record import rows as stored
from selfagg.types import Message, Question

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

Split = Literal["train", "test"]

BATCH = 256  # rows that are held in memory while a file is written


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One training prompt.

    Attributes:
        data_source: ``selfagg/`` and the source of the question; of Reasoning Gym the task too.
        prompt: The conversation to answer: ``role`` and ``content``, both text.
        ability: The question's kind.
        ground_truth: The gold answer; ``""`` where scoring goes by the question's data alone.
        index: Its place in the file, from 0.
        split: The file: ``train`` or ``test``.
        id: The question's id.
        question: JSON text of the whole question; see `question_of`.
        aggregation: True if candidates are shown.
        k: Number of candidates; 0 for a plain prompt.
        c: Number of right candidates; -1 for a plain prompt.
        prompt_tokens: Tokens of the prompt, chat template included; an estimate errs upwards.
    """

    data_source: str
    prompt: tuple[Message, ...]
    ability: str
    ground_truth: str
    index: int
    split: Split
    id: str
    question: str
    aggregation: bool = False
    k: int = 0
    c: int = -1
    prompt_tokens: int = 0

    def columns(self) -> dict[str, Any]:
        """Return the row in the columns of the parquet file."""
        return {
            "data_source": self.data_source,
            "prompt": [dict(message) for message in self.prompt],
            "ability": self.ability,
            "reward_model": {"style": "rule", "ground_truth": self.ground_truth},
            "extra_info": {name: getattr(self, name) for name in _INFO},
        }

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> TrainingRow:
        """Return the row that `columns` gave."""
        return cls(
            columns["data_source"],
            tuple(columns["prompt"]),
            columns["ability"],
            columns["reward_model"]["ground_truth"],
            **{name: columns["extra_info"][name] for name in _INFO},
        )


_INFO = [field.name for field in fields(TrainingRow)[4:]]  # the columns of extra_info


def question_of(row: TrainingRow | Mapping[str, Any]) -> Question:
    """Return the whole question of a row, or of its column ``extra_info``: all that a reward function is given."""
    return stored.question_of(row.question if isinstance(row, TrainingRow) else row["question"])


def read_rows(folder: Path, split: Split = "train") -> list[TrainingRow]:
    """Return all rows of one split, in the file's order; none where a set has no test split.

    Raises:
        UsageError: There is no training set, or the file is none.
    """
    import pyarrow
    import pyarrow.parquet  # type: ignore[import-untyped]

    path = folder / f"{split}.parquet"
    if not path.is_file():
        if split == "test" and (folder / "train.parquet").is_file():
            return []
        raise UsageError(f"{folder} holds no training set: there is no {path.name} (selfagg train data makes one)")
    try:
        return [TrainingRow.of(row) for row in pyarrow.parquet.read_table(path).to_pylist()]
    except (pyarrow.ArrowException, OSError, KeyError, TypeError) as error:
        reason = f"there is no column {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise UsageError(f"{path} is no training set as selfagg train data writes them: {reason}") from None


def write_rows(folder: Path, split: Split, rows: Iterable[TrainingRow]) -> int:
    """Write a split's file at once; return how many rows there were.

    At most 256 are in memory. A crash, or an `OSError` where it cannot be written, leaves the old file or none.
    """
    import pyarrow.parquet

    remaining, count = iter(rows), 0
    with (
        whole(folder / f"{split}.parquet") as partial,
        pyarrow.parquet.ParquetWriter(partial, schema()) as writer,
    ):
        while batch := [row.columns() for row in islice(remaining, BATCH)]:
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema()))
            count += len(batch)
    return count


def schema() -> pyarrow.Schema:
    """Return the columns and types of the files."""
    import pyarrow as pa

    text, types = pa.string(), {"int": pa.int64(), "bool": pa.bool_()}
    columns = {
        "data_source": text,
        "prompt": pa.list_(pa.struct({"role": text, "content": text})),
        "ability": text,
        "reward_model": pa.struct({"style": text, "ground_truth": text}),
        "extra_info": pa.struct({one.name: types.get(str(one.type), text) for one in fields(TrainingRow)[4:]}),
    }
    return cast("pyarrow.Schema", pa.schema(columns))
