"""Rows of data files, each with its place for messages: JSON lines, JSON, parquet."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from selfagg.benchmarks.hub import SUFFIXES
from selfagg.errors import UsageError
from selfagg.types import Question

_DEEPEST = 100
"""Lists and objects within each other; what is deeper cannot be counted on to be written again."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a data file.

    Attributes:
        place: Where it stands, e.g. ``questions.jsonl, line 7``: the beginning of every message about it.
        number: Its number in the file, from 0.
        values: Its columns.
    """

    place: str
    number: int
    values: Mapping[str, Any]

    def has(self, column: str) -> bool:
        """Whether the column is there and not null."""
        return self.values.get(column) is not None

    def text(self, column: str) -> str:
        """A column that must hold text.

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
        """A column that must hold text or a number, as text; no number comes in scientific notation."""
        value = self.value(column)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.wrong(column, "text or a number", value)
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{self.place}: the column {column!r} holds a number too large to be held exactly")
        # 1e-07 would be read as 1e - 07 by whoever compares formulas.
        return f"{Decimal(repr(value)):f}" if isinstance(value, float) else str(value)

    def mapping(self, column: str) -> Mapping[str, Any]:
        """A column that must hold an object, or an object written as JSON text."""
        value = self.value(column)
        if isinstance(value, str):
            try:
                value = _loaded(value)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{self.place}: the column {column!r} is not valid JSON ({error})") from None
        if not isinstance(value, Mapping):
            raise self.wrong(column, "an object", value)
        return value

    def texts(self, column: str) -> list[str]:
        """A column that must hold a list of texts."""
        value = self.value(column)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise self.wrong(column, "a list of texts", value)
        return value

    def inside(self, column: str) -> Row:
        """The row that an object in a column makes; its columns are called ``column.name`` in messages."""
        values = {f"{column}.{name}": value for name, value in self.mapping(column).items()}
        return Row(self.place, self.number, values)

    def wrong(self, column: str, wanted: str, value: object) -> UsageError:
        """The error for a value that is not what the column must hold."""
        return UsageError(f"{self.place}: the column {column!r} must be {wanted}, not {_kind_of(value)}")

    def value(self, column: str) -> Any:
        """What a column holds, whatever it is.

        Raises:
            UsageError: There is no such column; the message lists those there are.
        """
        if column not in self.values:
            found = ", ".join(self.values) or "none"
            raise UsageError(f"{self.place}: there is no column {column!r} (columns found: {found})")
        return self.values[column]


def read_rows(path: Path) -> list[Row]:
    """All rows of one file, by its suffix: ``.jsonl``, ``.json`` (a list of objects) or ``.parquet``.

    Raises:
        UsageError: The file is missing, empty, broken or of another type; the message says where.
    """
    if not path.exists():
        raise UsageError(f"there is no file {path}")
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path} is not a data file: its name must end with one of {', '.join(SUFFIXES)}")
    reader = {".jsonl": _json_lines, ".json": _json_list, ".parquet": _parquet}[path.suffix]
    try:
        rows = list(reader(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    if not rows:
        raise UsageError(f"{path} is empty: it holds no rows")
    return rows


def read_all(paths: Iterable[Path]) -> list[Row]:
    """The rows of several files, one file after the other."""
    return [row for path in paths for row in read_rows(path)]


def unique(questions: list[Question], rows: Iterable[Row]) -> list[Question]:
    """The same questions, after a check that no two have one id.

    Raises:
        UsageError: Two have; the message names both places.
    """
    places: dict[str, str] = {}
    for question, row in zip(questions, rows, strict=True):
        if question.id in places:
            raise UsageError(f"{row.place}: the id {question.id!r} is taken already by {places[question.id]}")
        places[question.id] = row.place
    return questions


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path.name}, line {line}: the file is not UTF-8 text") from None


def _json_lines(path: Path) -> Iterator[Row]:
    # Not splitlines(): JSON text may hold U+2028 and its like unescaped.
    for number, line in enumerate(_decoded(path).split("\n")):
        if line.strip():
            place = f"{path.name}, line {number + 1}"
            yield Row(place, number, _object(_parsed(line, place), place))


def _json_list(path: Path) -> Iterator[Row]:
    text = _decoded(path)
    content = _parsed(text, path.name) if text.strip() else []
    if not isinstance(content, list):
        raise UsageError(f"{path.name} must hold a list of objects, not {_kind_of(content)}")
    for number, item in enumerate(content):
        place = f"{path.name}, item {number + 1}"
        yield Row(place, number, _object(item, place))


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{path.name} is not a readable parquet file: {reason}") from error
    for number, values in enumerate(table.to_pylist()):
        yield Row(f"{path.name}, row {number + 1}", number, values)


def _parsed(text: str, place: str) -> Any:
    try:
        return _loaded(text)
    except json.JSONDecodeError as error:
        where = f"{place}, " + (f"line {error.lineno}, " if "\n" in text else "") + f"column {error.colno}"
        raise UsageError(f"{where}: not valid JSON ({error.msg})") from None
    except RecursionError:
        raise UsageError(f"{place}: the JSON is nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"{place}: not valid JSON ({error})") from None


def _loaded(text: str) -> Any:
    value = json.loads(text, parse_constant=_refuse)
    if text.count("{") + text.count("[") > _DEEPEST and _deeper(value, _DEEPEST):
        raise RecursionError("nested too deeply")
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half a surrogate pair is no character") from None
    return value


def _deeper(value: object, most: int) -> bool:
    """Whether lists and objects stand in each other more than ``most`` times; without recursion of its own."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return any(isinstance(item, dict | list) for item in level)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _object(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{place}: each row must be an object with named columns, not {_kind_of(value)}")
    return value


def _kind_of(value: object) -> str:
    names = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)
