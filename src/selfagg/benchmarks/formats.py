"""Read data files row by row: JSON lines, JSON, CSV, TSV (each also gzipped) and parquet."""

from __future__ import annotations

import csv
import gzip
import json
import re
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from selfagg.errors import UsageError

Values = Mapping[str, Any]

_MOST_BYTES = 1 << 30
"""Most that one file may unpack to."""

_MOST_ROWS = 50_000_000
_BATCH = 256
_DEEPEST = 100
"""Lists and objects within each other; what is deeper cannot be counted on to be written again."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def form(path: Path) -> str:
    """Return the suffix that tells a file's format, in lower case and without ``.gz``."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def stem(path: Path) -> str:
    """Return a file's name without the suffixes that tell its format."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem


def read_values(path: Path) -> Iterator[tuple[str, int, Values]]:
    """Yield each row's place (``q.jsonl, line 7``), its number from 0 and its columns; read no further than asked.

    Raises:
        UsageError: The file is missing, broken, too large, no regular file or of another type.
    """
    reader = READERS.get(form(path))
    if reader is None:
        raise UsageError(f"{path} is not a data file: its name must end with one of {', '.join(READERS)}")
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is no regular file, so it cannot be read as data")
        yield from reader(path)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UsageError(f"{path.name} is not a readable gzip file ({error})") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text, each with its end; not ended by U+2028 and its like, which JSON may hold unescaped."""
    left = _MOST_BYTES
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        number = 0
        while line := file.readline(left + 1):
            left -= len(line)
            if left < 0:
                raise _too_large(path)
            number += 1
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise UsageError(f"{path.name}, line {number}: the file is not UTF-8 text") from None


def _too_large(path: Path) -> UsageError:
    return UsageError(f"{path.name} is too large: it unpacks to more than {_MOST_BYTES >> 30} GiB")


def _json_lines(path: Path) -> Iterator[tuple[str, int, Values]]:
    for number, line in enumerate(_lines(path)):
        if line.strip():
            place = f"{path.name}, line {number + 1}"
            yield place, number, _object(_parsed(line.rstrip("\r\n"), place), place)


def _json_list(path: Path) -> Iterator[tuple[str, int, Values]]:
    text = "".join(_lines(path))
    content = _parsed(text, path.name) if text.strip() else []
    if not isinstance(content, list):
        raise UsageError(f"{path.name} must hold a list of objects, not {kind_of(content)}")
    for number, item in enumerate(content):
        place = f"{path.name}, item {number + 1}"
        yield place, number, _object(item, place)


def _table(path: Path) -> Iterator[tuple[str, int, Values]]:
    """Read separated values; an empty field is a missing value. A header with ``;`` and no comma is separated by it."""
    csv.field_size_limit(_MOST_BYTES)
    lines = _lines(path)
    header = next(lines, "")
    comma = ";" if ";" in header and "," not in header else ","
    rows = csv.reader(_after(header, lines), delimiter="\t" if form(path) == ".tsv" else comma, strict=True)
    try:
        names = [name.strip() for name in next(rows, [])]
        if len(set(names)) < len(names):
            raise UsageError(f"{path.name}, line 1: two columns have one name")
        for number, fields in enumerate(row for row in rows if row):
            place = f"{path.name}, row {number + 1}"
            if len(fields) != len(names):
                raise UsageError(f"{place}: it has {len(fields)} fields, but there are {len(names)} columns")
            yield place, number, {name: field or None for name, field in zip(names, fields, strict=True)}
    except csv.Error as error:
        raise UsageError(f"{path.name}, line {rows.line_num}: not valid {form(path)[1:].upper()} ({error})") from None


def _after(first: str, others: Iterator[str]) -> Iterator[str]:
    yield first
    yield from others


def _parquet(path: Path) -> Iterator[tuple[str, int, Values]]:
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
            for batch in file.iter_batches(_BATCH):
                if (left := left - batch.nbytes) < 0:
                    raise _too_large(path)
                for values in batch.to_pylist():
                    yield f"{path.name}, row {number + 1}", number, _mended(values, whole)
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


def _mended(values: dict[str, Any], whole: set[str]) -> Values:
    """Return a row with NaN, which pandas writes for it, as a missing value, and integers as integers."""
    known = {name: None if value != value else value for name, value in values.items()}
    return {name: int(value) if name in whole and value is not None else value for name, value in known.items()}


def _parsed(text: str, place: str) -> Any:
    try:
        return loaded(text)
    except json.JSONDecodeError as error:
        where = f"{place}, " + (f"line {error.lineno}, " if "\n" in text else "") + f"column {error.colno}"
        raise UsageError(f"{where}: not valid JSON ({error.msg})") from None
    except RecursionError:
        raise UsageError(f"{place}: the JSON is nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"{place}: not valid JSON ({error})") from None


def loaded(text: str) -> Any:
    """Return the value of a JSON text. NaN is read, since a column that nobody reads may hold it.

    Raises:
        ValueError: It is not JSON, or holds half a surrogate pair.
        RecursionError: It is nested too deeply.
    """
    value = json.loads(text)
    if text.count("{") + text.count("[") > _DEEPEST and _deeper(value, _DEEPEST):
        raise RecursionError("nested too deeply")
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half a surrogate pair is no character") from None
    return value


def _deeper(value: object, most: int) -> bool:
    """Return True if lists and objects stand in each other more than ``most`` times; without recursion of its own."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return any(isinstance(item, dict | list) for item in level)


def _object(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{place}: each row must be an object with named columns, not {kind_of(value)}")
    return value


def kind_of(value: object) -> str:
    """Return the name of a value's kind for messages."""
    names = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


READERS: Mapping[str, Callable[[Path], Iterator[tuple[str, int, Values]]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_list,
    ".csv": _table,
    ".tsv": _table,
    ".parquet": _parquet,
}
"""The readers of the formats, by suffix."""
