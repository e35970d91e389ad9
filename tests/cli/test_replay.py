"""`selfagg replay`: what a record holds, read again without a model."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from selfagg.record.record import Record

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def recorded(run: Run, questions: Path) -> str:
    size = ["-n", "6", "-k", "2", "-t", "3"]
    assert run("eval", questions, "--model", "simulated:p=0.4", *size, "--record", "run.sqlite").returncode == 0
    return "run.sqlite"


def test_a_vote_over_the_first_samples(run: Run, recorded: str, tmp_path: Path) -> None:
    before = (tmp_path / recorded).read_bytes()
    found = json.loads(run("replay", recorded, "--method", "majority", "-n", "5", "--json").stdout)
    assert found["recorded"]["method"] == "rsa"
    replayed = found["replayed"]
    assert (replayed["method"], replayed["n"], replayed["t"], replayed["calls"]) == ("majority", 5, 1, 30)
    assert replayed["answer_accuracy"] == replayed["populations"][0]["majority"]
    assert (tmp_path / recorded).read_bytes() == before


def test_stale_scores_are_made_anew(run: Run, recorded: str, tmp_path: Path) -> None:
    fresh = json.loads(run("replay", recorded, "--json").stdout)
    assert fresh["replayed"]["answer_accuracy"] == fresh["recorded"]["answer_accuracy"]
    with Record(tmp_path / recorded) as record:
        record.query("UPDATE scores SET score = 0")
    outcome = run("replay", recorded)
    right = f"{100 * fresh['recorded']['answer_accuracy']:.1f} %"
    assert f"rsa recorded 0.0 %, rsa replayed {right}; no model was asked" in outcome.stdout
    assert "record     not kept" in outcome.stdout


def test_what_changed_is_listed(run: Run, recorded: str, tmp_path: Path) -> None:
    assert json.loads(run("replay", recorded, "--json").stdout)["changed"] == []
    assert "changed    no member's answer or score" in run("replay", recorded).stdout
    with Record(tmp_path / recorded) as record:
        record.query("UPDATE scores SET score = 0 WHERE question = 1 AND t = 2")
        record.query("UPDATE scores SET answer = 'else', score = 0.5 WHERE question = 2 AND t = 3 AND i = 4")
        names = [question.id for question in record.questions()]
    changed = json.loads(run("replay", recorded, "--json").stdout)["changed"]
    last = changed.pop()
    assert (last["question"], last["t"], last["i"], last["answer"][0], last["score"][0]) == (
        names[2],
        3,
        4,
        "else",
        0.5,
    )
    assert {(change["question"], change["t"]) for change in changed} <= {(names[1], 2)}
    assert all(change["score"] == [0.0, 1.0] for change in changed)
    said = run("replay", recorded).stdout
    assert f"changed    {len(changed) + 1} member" in said
    assert f"{names[2]}  t=3 i=4: else (partly right) -> " in said


def test_a_replay_can_be_kept_and_read_as_a_record(run: Run, recorded: str) -> None:
    found = json.loads(run("replay", recorded, "-t", "2", "--out", "short.sqlite", "--json").stdout)
    assert found["replayed"]["record"] == "short.sqlite"
    compared = json.loads(run("compare", recorded, "short.sqlite", "--json").stdout)
    assert [entry["label"] for entry in compared["entries"]] == ["rsa n=6 k=2 t=3", "rsa n=6 k=2 t=2"]
    outcome = run("replay", recorded, "-t", "2", "--out", "short.sqlite")
    assert outcome.returncode == 2
    assert "short.sqlite exists already" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["-t", "4"], "cannot be replayed"), (["--method", "self-refine"], "cannot be replayed"), (["-n", "0"], "n = 0")],
)
def test_what_a_record_does_not_hold(run: Run, recorded: str, arguments: list[str], words: str) -> None:
    outcome = run("replay", recorded, *arguments)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert words in outcome.stderr


def test_a_method_that_asks_the_model_cannot_be_replayed(run: Run, recorded: str, tmp_path: Path) -> None:
    (tmp_path / "new.sqlite.notes").write_text("of somebody")
    outcome = run("replay", recorded, "--method", "rejection", "--out", "new.sqlite")
    assert outcome.returncode == 2
    assert "a replay has no model" in outcome.stderr
    (tmp_path / "new.sqlite.notes").unlink()
    assert not list(tmp_path.glob("new.sqlite*"))
