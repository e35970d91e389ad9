"""Two records on the same questions, and what the commands print about them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

import selfagg
from selfagg.methods import Majority

Printed = Callable[..., dict[str, Any]]
QUESTIONS = [selfagg.Question(f"q{i}", f"What is {i} + {i}?", kind="math", gold=str(2 * i)) for i in range(5)]


@pytest.fixture
def printed(tmp_path: Path, command_line: CommandLine) -> Printed:
    """Return a function that runs ``selfagg`` in the test's folder and gives the JSON object that it prints."""

    def run(*words: str) -> dict[str, Any]:
        done = command_line.run([*words, "--json"], cwd=tmp_path, env=os.environ)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


@pytest.fixture(scope="session")
def two_records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the records of RSA and of a vote."""
    folder = tmp_path_factory.mktemp("two")
    for method in (selfagg.RSA(n=4, k=2, t=3), Majority(n=12)):
        selfagg.evaluate(QUESTIONS, model="simulated:p=0.5", method=method, record=folder / f"{method.name}-.sqlite")
    return folder


@pytest.fixture
def folder(two_records: Path, tmp_path: Path) -> Path:
    """The test's own copy of the two records."""
    return shutil.copytree(two_records, tmp_path, dirs_exist_ok=True)
