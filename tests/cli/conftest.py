"""Fixtures of the command line's tests: ``selfagg``, run in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine

EXECUTABLE = Path(sys.executable).with_name("selfagg")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment() -> dict[str, str]:
    """No keys, no server, no network for the hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return kept | {"OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str], command_line: CommandLine) -> Run:
    """Return a function that runs ``selfagg`` with these arguments and gives its exit code and what it printed."""

    def call(*arguments: object, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        words, env = [*map(str, arguments)], environment | more
        if not any(name.startswith("PYTHON") for name in more):
            return command_line.run(words, cwd=tmp_path, env=env, stdin=stdin)
        command: list[str] = [str(EXECUTABLE), *words]
        return subprocess.run(command, cwd=tmp_path, env=env, input=stdin, capture_output=True, text=True, timeout=120)

    return call


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """A file of six questions."""
    path = tmp_path / "questions.jsonl"
    rows = [{"question": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
