"""Rows of data files, each with its place for messages: JSON lines, JSON, CSV, TSV (each also gzipped) and parquet."""

from __future__ import annotations

import csv
import gzip
import json
import math
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any

from selfagg.errors import UsageError
from selfagg.types import Question

_MOST_BYTES = 1 << 30  # that one file may unpack to
_MOST_ROWS = 50_000_000
_DEEPEST = 100  # lists and objects within each other: what is deeper cannot be counted on to be written again
_KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class DataRow:
    """One row of a data file; its methods raise `UsageError` if a column is missing or holds something else."""

    place: str  # as "questions.jsonl, line 7": the beginning of every message about it
    number: int  # in the file, from 0
    values: Mapping[str, Any]

    def has(self, column: str) -> bool:
        """Return True if the column is there and not null."""
        return self.values.get(column) is not None

    def value(self, column: str) -> Any:
        """Return the value of a column, of any type."""
        if column not in self.values:
            found = ", ".join(self.values) or "none"
            raise UsageError(f"{self.place}: there is no column {column!r} (columns found: {found})")
        return self.values[column]

    def text(self, column: str) -> str:
        """Return the text of a column, which must not be blank."""
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

    def wrong(self, column: str, wanted: str, value: object) -> UsageError:
        """Return the error for a value that is not what the column must hold."""
        return UsageError(f"{self.place}: the column {column!r} must be {wanted}, not {_kind_of(value)}")

    def _from_json(self, column: str) -> Any:
        value = self.value(column)
        try:
            return _loaded(value) if isinstance(value, str) else value
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


def read_rows(path: Path, most: int | None = None) -> list[DataRow]:
    """Return the rows of one file, by its suffix; with ``most``, read no more of it than so many rows take.

    Raises:
        UsageError: The file is missing, empty, broken, too large or of another type; the message says where.
    """
    reader = READERS.get(_form(path))
    if reader is None:
        raise UsageError(f"{path} is not a data file: its name must end with one of {', '.join(READERS)}")
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is no regular file, so it cannot be read as data")
        rows = [*islice(reader(path), most)]
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UsageError(f"{path.name} is not a readable gzip file ({error})") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not rows:
        raise UsageError(f"{path} is empty: it holds no rows")
    return rows


def data_files(path: Path, name: str | None = None) -> list[Path]:
    """Return the file itself, or a folder's data files in the order of their names.

    Of a named benchmark, files whose names begin with it (``supergpqa_1.parquet``; ``-`` and ``_`` count as the same)
    are taken alone, if there are any. So are the files of folders called so, there or below ``data``, as in the
    paper's repository; of these the files called ``train`` where there are such.

    Raises:
        UsageError: There is no such path, or the folder holds no data files.
    """
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            return [path]
        found = sorted(file for file in path.iterdir() if _form(file) in READERS and file.is_file())
    except FileNotFoundError:
        raise UsageError(f"there is no file or folder {path}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if name:
        folder = name.replace("-", "_")
        inside = sorted({*path.glob(f"data/{folder}*/**/*.parquet"), *path.glob(f"{folder}*/**/*.parquet")})
        if inside:
            return [file for file in inside if file.name.startswith("train")] or inside
    if not found:
        raise UsageError(f"the folder {path} holds no data files ({', '.join(READERS)})")
    return [file for file in found if name and file.name.replace("_", "-").startswith(name)] or found


def unique(found: Iterable[tuple[Question, str]]) -> list[Question]:
    """Return the questions, each found at a place; raise `UsageError` with both places where two have one id."""
    taken: dict[str, tuple[Question, str]] = {}
    for question, place in found:
        if question.id in taken:
            raise UsageError(f"{place}: the id {question.id!r} is taken already by {taken[question.id][1]}")
        taken[question.id] = question, place
    return [question for question, _ in taken.values()]


def questions_of(rows: Iterable[DataRow], question: Callable[[DataRow], Question]) -> list[Question]:
    """Return the question of each row; raise `UsageError` where two have one id."""
    return unique((question(row), row.place) for row in rows)


def stem(path: Path) -> str:
    """Return a file's name without the suffixes that tell its format."""
    return Path(path.name[:-3] if path.name.lower().endswith(".gz") else path.name).stem


def json_row(place: str, number: int, text: str) -> DataRow:
    """Return the row that is written as a JSON object; raise `UsageError` for all else."""
    return _row(place, number, _parsed(text, place))


def _form(path: Path) -> str:
    """Return the suffix that tells a file's format, in lower case and without ``.gz``."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _too_large(path: Path) -> UsageError:
    return UsageError(f"{path.name} is too large: it unpacks to more than {_MOST_BYTES >> 30} GiB")


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text, each with its end; not ended by U+2028 and its like, which JSON may hold unescaped."""
    left, number = _MOST_BYTES, 0
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        while line := file.readline(left + 1):
            left -= len(line)
            if left < 0:
                raise _too_large(path)
            number += 1
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise UsageError(f"{path.name}, line {number}: the file is not UTF-8 text") from None


def _json_lines(path: Path) -> Iterator[DataRow]:
    for number, line in enumerate(_lines(path)):
        if line.strip():
            yield json_row(f"{path.name}, line {number + 1}", number, line.rstrip("\r\n"))


def _json_list(path: Path) -> Iterator[DataRow]:
    text = "".join(_lines(path))
    content = _parsed(text, path.name) if text.strip() else []
    if not isinstance(content, list):
        raise UsageError(f"{path.name} must hold a list of objects, not {_kind_of(content)}")
    for number, item in enumerate(content):
        yield _row(f"{path.name}, item {number + 1}", number, item)


def _table(path: Path) -> Iterator[DataRow]:
    """Read separated values; an empty field is a missing value. A header with ``;`` and no comma is separated by it."""
    csv.field_size_limit(_MOST_BYTES)
    lines = _lines(path)
    header = next(lines, "")
    comma = ";" if ";" in header and "," not in header else ","
    rows = csv.reader(chain([header], lines), delimiter="\t" if _form(path) == ".tsv" else comma, strict=True)
    try:
        names = [name.strip() for name in next(rows, [])]
        if len(set(names)) < len(names):
            raise UsageError(f"{path.name}, line 1: two columns have one name")
        for number, fields in enumerate(filter(None, rows)):
            place = f"{path.name}, row {number + 1}"
            if len(fields) != len(names):
                raise UsageError(f"{place}: it has {len(fields)} fields, but there are {len(names)} columns")
            yield DataRow(place, number, {name: field or None for name, field in zip(names, fields, strict=True)})
    except csv.Error as error:
        raise UsageError(f"{path.name}, line {rows.line_num}: not valid {_form(path)[1:].upper()} ({error})") from None


def _parquet(path: Path) -> Iterator[DataRow]:
    """Read parquet; NaN, which pandas writes for it, is a missing value, and its integers as decimals are integers."""
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    number, left = 0, _MOST_BYTES
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            facts = file.metadata
            size = sum(facts.row_group(group).total_byte_size for group in range(facts.num_row_groups))
            if size > _MOST_BYTES or facts.num_rows > _MOST_ROWS:
                raise _too_large(path)
            whole = _whole_numbers(file)
            for batch in file.iter_batches(256):
                if (left := left - batch.nbytes) < 0:
                    raise _too_large(path)
                for values in batch.to_pylist():
                    known: dict[str, Any] = {name: None if value != value else value for name, value in values.items()}
                    known |= {name: int(known[name]) for name in whole if known[name] is not None}
                    yield DataRow(f"{path.name}, row {number + 1}", number, known)
                    number += 1
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{path.name} is not a readable parquet file: {reason}") from error


def _whole_numbers(file: Any) -> set[str]:
    """Return the columns of integers that pandas wrote as decimals, since some of them are missing."""
    import pyarrow
    import pyarrow.compute as compute  # type: ignore[import-untyped]

    found = set()
    for field in file.schema_arrow:
        if pyarrow.types.is_floating(field.type):
            column = file.read(columns=[field.name]).column(0)
            known = column.filter(compute.invert(compute.is_null(column, nan_is_null=True)))
            if len(known) < len(column) and compute.all(compute.equal(known, compute.trunc(known))).as_py():
                found.add(field.name)
    return found


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
    """Return the value of a JSON text, NaN too: a column that nobody reads may hold it."""
    value = json.loads(text)
    if text.count("{") + text.count("[") > _DEEPEST:
        level: list[Any] = [[value]]  # lists and objects of one depth; without recursion of its own
        for _ in range(_DEEPEST + 1):
            inside = chain.from_iterable(one.values() if isinstance(one, dict) else one for one in level)
            level = [one for one in inside if isinstance(one, dict | list)]
        if level:
            raise RecursionError("nested too deeply")
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half a surrogate pair is no character") from None
    return value


def _row(place: str, number: int, value: object) -> DataRow:
    if not isinstance(value, dict):
        raise UsageError(f"{place}: each row must be an object with named columns, not {_kind_of(value)}")
    return DataRow(place, number, value)


def _kind_of(value: object) -> str:
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)


READERS: Mapping[str, Callable[[Path], Iterator[DataRow]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_list,
    ".csv": _table,
    ".tsv": _table,
    ".parquet": _parquet,
}
"""The readers of the formats, by suffix; each reads no further than it is asked to."""
