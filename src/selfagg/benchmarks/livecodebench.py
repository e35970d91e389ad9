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

from selfagg.benchmarks.base import Benchmark, HubSource, Selection, cut
from selfagg.benchmarks.hub import benchmark_files
from selfagg.benchmarks.rows import DataRow, unique
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


def load(selection: Selection, *, which: str) -> list[Question]:
    """Return the questions of a selection, in the order of the files.

    Args:
        selection: The questions to take.
        which: The benchmark's name.
    """
    benchmark = RELEASE_V6 if which == RELEASE_V6.name else NEW_IN_V6
    assert benchmark.hub is not None  # noqa: S101 - both have one
    paths = benchmark_files(RELEASE_V6.name, benchmark.hub, selection.data)  # local files of both are called alike
    _refuse_other_releases(benchmark.name, paths, benchmark.hub.files)
    rows, questions = [], []
    for path in paths:
        for row, start, length in _rows(path):
            rows.append(DataRow(row.place, row.number, {}))  # its place alone: the row may be large
            questions.append(_question(row, path, start, length))
    return cut(unique(questions, rows), selection.size, default=benchmark.size, source=benchmark.name)


def _refuse_other_releases(name: str, paths: list[Path], wanted: tuple[str, ...]) -> None:
    """Refuse files with the hub's names that are not this release's: they would make another set of the same name."""
    given = {path.name for path in paths} & set(_FILES)
    if given and given != set(wanted):
        raise UsageError(f"{name} is {', '.join(wanted)} together; found: {', '.join(sorted(given))}")


def _rows(path: Path) -> Iterator[tuple[DataRow, int, int]]:
    """Yield the rows of a JSON lines file, one at a time, each with where it starts and how many bytes it has."""
    start = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file):
                place = f"{path.name}, line {number + 1}"
                if line.strip():
                    yield DataRow(place, number, _object(line, place)), start, len(line)
                start += len(line)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    if start == 0:
        raise UsageError(f"{path} is empty: it holds no rows")


def _object(line: bytes, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: not valid JSON ({error})") from None
    if not isinstance(row, dict):
        raise UsageError(f"{place}: each row must be an object with named columns")
    return row


def _question(row: DataRow, path: Path, start: int, length: int) -> Question:
    starter = row.values.get("starter_code") or ""
    wanted = _HAS_STARTER.format(starter=starter.strip("\n")) if starter.strip() else _READS_STDIN
    function = row.mapping("metadata").get("func_name") if row.has("metadata") else None
    data: dict[str, Any] = {"format": "function" if function else "stdin", "seconds": _SECONDS}
    if function:
        data["function"] = str(function)
    data["cases"] = _public_cases(row)
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


def _public_cases(row: DataRow) -> list[list[str]]:
    try:
        return [[case["input"], case["output"]] for case in json.loads(row.text("public_test_cases"))]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{row.place}: the column 'public_test_cases' is no JSON list of tests") from None


RELEASE_V6 = Benchmark(
    name="livecodebench",
    title="LiveCodeBench v6",
    kind="code",
    size=1055,
    load=partial(load, which="livecodebench"),
    hub=HubSource(_REPO, _REVISION, _FILES),
    note=f"Release v6, all problems of its six files; {_REPO}",
)
NEW_IN_V6 = Benchmark(
    name="livecodebench-v6-new",
    title="LiveCodeBench v6, new problems",
    kind="code",
    size=175,
    load=partial(load, which="livecodebench-v6-new"),
    hub=HubSource(_REPO, _REVISION, _FILES[-1:]),
    note=f"The problems that release v6 added, test6.jsonl alone; {_REPO}",
)
