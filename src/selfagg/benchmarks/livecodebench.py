"""LiveCodeBench: problems of programming contests with hidden tests (arXiv 2403.07974).

The hub's repository has a file for each release, and a release is all files up to its own: v6 is ``test.jsonl``
to ``test6.jsonl``, 1055 problems. ``livecodebench`` asks those, as the paper does; ``livecodebench-v6-new`` asks
the 175 that are new in v6, as others do. The files are read as plain JSON lines; the repository's loading script
is not used.

All files together have several gigabytes, nearly all of it hidden tests. A question holds small ones as they
come, packed, and for large ones the place of their row; they are unpacked when a program is scored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from selfagg.benchmarks.base import Benchmark, HubSource, Selection, choose
from selfagg.benchmarks.data_files import DataRow, json_row, unique
from selfagg.benchmarks.hub import benchmark_files
from selfagg.errors import UsageError
from selfagg.types import Question

_REPO = "livecodebench/code_generation_lite"
_REVISION = "0fe84c3912ea0c4d4a78037083943e8f0c4dd505"
_FILES = ("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl", "test6.jsonl")
_SECONDS = 6.0
_MOST_PACKED_CHARACTERS = 65_536

_READS_STDIN = (
    "Write a Python program that solves this problem. It reads the input from standard input and writes the "
    "answer to standard output, nothing else."
)
_HAS_STARTER = (
    "Solve this problem in Python by completing the code below. Keep its names and signatures; nothing need be "
    "read or printed.\n\n```python\n{starter}\n```"
)


def _load(name: str, size: int, hub: HubSource, selection: Selection) -> list[Question]:
    paths = benchmark_files("livecodebench", hub, selection.data)  # local files of both are called alike
    given = {path.name for path in paths} & set(_FILES)
    if given and given != set(hub.files):  # files with the hub's names would make another set of the same name
        raise UsageError(f"{name} is {', '.join(hub.files)} together; found: {', '.join(sorted(given))}")
    found = ((_question(row, path, *place), row.place) for path in paths for row, *place in _rows(path))
    return choose(unique(found), selection, default=size, source=name)


def _rows(path: Path) -> Iterator[tuple[DataRow, int, int]]:
    """Yield the rows of a JSON lines file, one at a time, each with where it starts and how many bytes it has."""
    start = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file):
                if line.strip():
                    yield json_row(f"{path.name}, line {number + 1}", number, line.decode()), start, len(line)
                start += len(line)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{path.name} is not UTF-8 text") from None
    if start == 0:
        raise UsageError(f"{path} is empty: it holds no rows")


def _question(row: DataRow, path: Path, start: int, length: int) -> Question:
    starter = row.values.get("starter_code") or ""
    wanted = _HAS_STARTER.format(starter=starter.strip("\n")) if starter.strip() else _READS_STDIN
    function = row.mapping("metadata").get("func_name") if row.has("metadata") else None
    data: dict[str, Any] = {"format": "function" if function else "stdin", "seconds": _SECONDS}
    if function:
        data["function"] = str(function)
    try:
        data["cases"] = [[case["input"], case["output"]] for case in json.loads(row.text("public_test_cases"))]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{row.place}: the column 'public_test_cases' is no JSON list of tests") from None
    packed = row.text("private_test_cases")
    if len(packed) <= _MOST_PACKED_CHARACTERS:
        data["packed"] = packed
    else:
        data["packed_in"] = {"path": str(path.absolute()), "start": start, "length": length}
    return Question(
        id=row.text("question_id"),
        text=f"{row.text('question_content').strip()}\n\n{wanted}",
        kind="code",
        data=data,
        group=str(row.values.get("difficulty") or ""),
    )


def _benchmark(name: str, title: str, size: int, files: tuple[str, ...], note: str) -> Benchmark:
    hub = HubSource(_REPO, _REVISION, files)
    load = partial(_load, name, size, hub)
    return Benchmark(name, title, "code", size, load, hub, f"{note}; {_REPO}", paper="hub")


RELEASE_V6 = _benchmark("livecodebench", "LiveCodeBench v6", 1055, _FILES, "Release v6, all problems of its six files")
NEW_IN_V6 = _benchmark(
    "livecodebench-v6-new",
    "LiveCodeBench v6, new problems",
    175,
    _FILES[-1:],
    "The problems that release v6 added, test6.jsonl alone",
)
