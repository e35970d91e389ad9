"""`analyze`, `replay`, `compare` and `report` give what the commands print."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import selfagg
from selfagg.record.record import Record

QUESTIONS = [selfagg.Question(f"q{i}", f"What is {i} + {i}?", kind="math", gold=str(2 * i)) for i in range(5)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the records of two methods."""
    for method in (selfagg.RSA(n=4, k=2, t=3), "majority"):
        name = method if isinstance(method, str) else method.name
        sizes: dict[str, Any] = {"n": 12} if name == "majority" else {}
        selfagg.evaluate(
            QUESTIONS, model="simulated:p=0.5", method=method, record=tmp_path / f"{name}-.sqlite", **sizes
        )
    return tmp_path


def printed(folder: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "selfagg", *arguments, "--json"]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, cwd=folder, check=True).stdout)
    return found


def as_printed(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    there: dict[str, Any] = json.loads(json.dumps(found).replace(f"{folder}/", ""))
    return there


def test_results_are_what_the_commands_print(folder: Path) -> None:
    rsa = folder / "rsa-.sqlite"
    assert as_printed(selfagg.analyze(rsa).to_dict(), folder) == printed(folder, "analyze", rsa.name)
    replay, by_command = selfagg.replay(rsa, t=2).to_dict(), printed(folder, "replay", rsa.name, "-t", "2")
    replay["replayed"]["seconds"] = by_command["replayed"]["seconds"] = 0
    assert replay == by_command
    compared = printed(folder, "compare", "majority-.sqlite", "rsa-.sqlite")
    del compared["where"]
    assert as_printed(selfagg.compare([folder / "majority-.sqlite", rsa]).to_dict(), folder) == compared


def test_a_replay_scores_anew_and_keeps_its_scorers_name(folder: Path) -> None:
    def everything(question: selfagg.Question, text: str) -> bool:
        return True

    replay = selfagg.replay(folder / "rsa-.sqlite", scorer=everything, out=folder / "new.sqlite")
    assert replay.replayed.answer is not None
    assert replay.replayed.answer.mean == 1.0
    assert replay.recorded.answer != replay.replayed.answer
    assert replay.replayed.record == folder / "new.sqlite"
    with Record(folder / "new.sqlite", read_only=True) as record:
        assert record.configuration["scorer"].endswith("everything")
    with pytest.raises(selfagg.UsageError, match="exists already"):
        selfagg.replay(folder / "rsa-.sqlite", out=folder / "new.sqlite")


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_a_replay_leaves_files_beside_its_own_alone(folder: Path, ending: str) -> None:
    beside = folder / f"new.sqlite{ending}"
    beside.write_text("somebody else's")
    with pytest.raises(selfagg.UsageError, match="exists already"):
        selfagg.replay(folder / "rsa-.sqlite", out=folder / "new.sqlite")
    assert beside.read_text() == "somebody else's"
    assert not (folder / "new.sqlite").exists()


def test_a_folder_stands_for_its_records(folder: Path) -> None:
    assert [entry.method for entry in selfagg.compare(folder).entries] == ["rsa", "majority"]
    assert selfagg.report(folder, folder / "report.html").read_text().startswith("<!")


def test_what_is_no_record_is_told(tmp_path: Path) -> None:
    for work in (selfagg.analyze, selfagg.replay, selfagg.compare):
        with pytest.raises(selfagg.UsageError, match="there is no record"):
            work(tmp_path / "none.sqlite")
    with pytest.raises(selfagg.UsageError, match="holds no record"):
        selfagg.compare(tmp_path)
