"""Rows of data files, each with its place for messages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from selfagg.benchmarks.formats import kind_of, loaded, read_values
from selfagg.errors import UsageError
from selfagg.types import Question


@dataclass(frozen=True, slots=True)
class DataRow:
    """One row of a data file.

    Attributes:
        place: Its place, e.g. ``questions.jsonl, line 7``: the beginning of every message about it.
        number: Its number in the file, from 0.
        values: Its columns.
    """

    place: str
    number: int
    values: Mapping[str, Any]

    def has(self, column: str) -> bool:
        """Return True if the column is there and not null."""
        return self.values.get(column) is not None

    def text(self, column: str) -> str:
        """Return the text of a column that must hold text.

        Raises:
            UsageError: It is missing, of another type, or blank.
        """
        value = self.value(column)
        if not isinstance(value, str):
            raise self.wrong(column, "text", value)
        if not value.strip():
            raise UsageError(f"{self.place}: the column {column!r} is blank")
        return value

    def answer(self, column: str) -> str:
        """Return the text or number of a column as text; no number comes in scientific notation."""
        value = self.value(column)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.wrong(column, "text or a number", value)
        return self._written(column, value)

    def mapping(self, column: str) -> Mapping[str, Any]:
        """Return the object of a column, which may be written as JSON text."""
        value = self._from_json(column)
        if not isinstance(value, Mapping):
            raise self.wrong(column, "an object", value)
        try:
            json.dumps(value, allow_nan=False, default=str)
        except ValueError:
            raise UsageError(f"{self.place}: the column {column!r} holds NaN, which is no number") from None
        return value

    def texts(self, column: str) -> list[str]:
        """Return the list of a column, which may be written as JSON text, with each text or number as text."""
        value = self._from_json(column)
        if not isinstance(value, list) or not value or not all(type(item) in (str, int, float) for item in value):
            raise self.wrong(column, "a list of texts", value)
        return [self._written(column, item) for item in value]

    def inside(self, column: str) -> DataRow:
        """Return the row that an object in a column makes; its columns are called ``column.name`` in messages."""
        values = {f"{column}.{name}": value for name, value in self.mapping(column).items()}
        return DataRow(self.place, self.number, values)

    def _from_json(self, column: str) -> Any:
        value = self.value(column)
        if not isinstance(value, str):
            return value
        try:
            return loaded(value)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{self.place}: the column {column!r} is not valid JSON ({error})") from None

    def _written(self, column: str, value: str | float) -> str:
        """Return a text as it is, a number without an exponent: 1e-07 would be read as 1e - 07 in a formula."""
        if not isinstance(value, float):
            return str(value)
        if not math.isfinite(value):
            what = "NaN, which is no number" if math.isnan(value) else "a number too large to be held exactly"
            raise UsageError(f"{self.place}: the column {column!r} holds {what}")
        return f"{Decimal(repr(value)):f}"

    def wrong(self, column: str, wanted: str, value: object) -> UsageError:
        """Return the error for a value that is not what the column must hold."""
        return UsageError(f"{self.place}: the column {column!r} must be {wanted}, not {kind_of(value)}")

    def value(self, column: str) -> Any:
        """Return the value of a column, of any type.

        Raises:
            UsageError: There is no such column; the message lists those there are.
        """
        if column not in self.values:
            found = ", ".join(self.values) or "none"
            raise UsageError(f"{self.place}: there is no column {column!r} (columns found: {found})")
        return self.values[column]


def read_rows(path: Path, most: int | None = None) -> list[DataRow]:
    """Return the rows of one file, by its suffix (see `READERS`).

    Args:
        path: The file.
        most: Number of rows that are wanted; None: all. No more of the file is read than these take.

    Raises:
        UsageError: The file is missing, empty, broken or of another type; the message says where.
    """
    rows = [DataRow(*row) for row in islice(read_values(path), most)]
    if not rows:
        raise UsageError(f"{path} is empty: it holds no rows")
    return rows


def read_all(paths: Iterable[Path]) -> list[DataRow]:
    """Return the rows of several files, one file after the other."""
    return [row for path in paths for row in read_rows(path)]


def unique(questions: list[Question], rows: Iterable[DataRow]) -> list[Question]:
    """Return the same questions, after a check that no two have one id.

    Raises:
        UsageError: Two have; the message names both places.
    """
    places: dict[str, str] = {}
    for question, row in zip(questions, rows, strict=True):
        if question.id in places:
            raise UsageError(f"{row.place}: the id {question.id!r} is taken already by {places[question.id]}")
        places[question.id] = row.place
    return questions
