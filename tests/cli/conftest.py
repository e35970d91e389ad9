"""What the command line's tests share: the real ``selfagg`` executable, run in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXECUTABLE = Path(sys.executable).with_name("selfagg")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment() -> dict[str, str]:
    """No keys, no server, no network for the hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return kept | {"OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str]) -> Run:
    """Runs ``selfagg`` with these arguments and gives its exit code and what it printed."""

    def call(*arguments: object, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [EXECUTABLE, *map(str, arguments)],
            cwd=tmp_path,
            env=environment | more,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return call


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """A file of six questions."""
    path = tmp_path / "questions.jsonl"
    rows = [{"question": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
