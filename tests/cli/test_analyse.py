"""`selfagg analyse` and `selfagg plot`: what a record tells, and its figures."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from selfagg.analysis.aggregation import transitions
from selfagg.record.record import Record

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def recorded(run: Run, tmp_path: Path) -> str:
    rows = [{"question": f"{i}?", "answer": str(i), "group": ["easy", "hard"][i % 2]} for i in range(8)]
    (tmp_path / "grouped.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    size = ["-n", "4", "-k", "2", "-t", "3", "--record", "run.sqlite"]
    assert run("eval", "grouped.jsonl", "--model", "simulated:p=0.4,unanswered=0.1", *size).returncode == 0
    return "run.sqlite"


def test_everything_that_a_record_tells(run: Run, recorded: str, tmp_path: Path) -> None:
    found = json.loads(run("analyse", recorded, "--json").stdout)
    assert [population["t"] for population in found["populations"]] == [1, 2, 3]
    assert list(found["populations"][0]["pass_at_k"]) == ["1", "2", "4"]
    assert [rate["c"] for rate in found["r_c"]] == [0, 1, 2]
    assert sum(rate["aggregations"] for rate in found["r_c"]) == 8 * 4 * 2
    assert len(found["trajectory"]["steps"]) > 3
    assert [one["t"] for one in found["ancestry"]] == [1, 2, 3]
    assert {group["group"]: group["questions"] for group in found["groups"]} == {"easy": 4, "hard": 4}
    with Record(tmp_path / recorded, read_only=True) as record:
        steps = transitions(record)
    assert [(step["lost_count"], step["gained_count"]) for step in found["transitions"]] == [
        (step.lost_count, step.gained_count) for step in steps
    ]

    table = run("analyse", recorded).stdout
    for step in found["transitions"]:
        assert re.search(rf"^{step['t']} +{step['lost_count']} \(.*\) +{step['gained_count']} \(", table, re.MULTILINE)
    for rate in found["r_c"]:
        assert re.search(rf"^{rate['c']} of 2 .* {rate['aggregations']} *$", table, re.MULTILINE)
    for words in (
        "SIMULATED",
        "died out for good",
        "rescued to the end",
        "further ones gain less",
        "easy",
        "ancestors",
    ):
        assert words in table


def test_a_run_without_aggregations(run: Run, questions: Path) -> None:
    run("eval", questions, "--model", "simulated:", "--method", "majority", "-n", "3", "--record", "m.sqlite")
    outcome = run("analyse", "m.sqlite")
    assert outcome.returncode == 0, outcome.stderr
    assert "pass@2" in outcome.stdout
    assert "r_c" not in outcome.stdout
    assert json.loads(run("analyse", "m.sqlite", "--json").stdout)["trajectory"] is None


def test_figures(run: Run, recorded: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    outcome = run("plot", recorded, "--out", "a.svg")
    assert (outcome.returncode, outcome.stdout) == (0, "a.svg\n"), outcome.stderr
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize("command", [["analyse"], ["plot", "--out", "a.png"]])
def test_what_is_no_record(run: Run, questions: Path, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    for name, words in (("missing.sqlite", "there is no record"), (questions.name, "not a selfagg record")):
        outcome = run(*command, name)
        assert (outcome.returncode, outcome.stdout) == (2, "")
        assert words in outcome.stderr
    if command[0] == "plot":
        assert "holds no record" in run(*command, "empty").stderr


def test_what_other_settings_would_have_cost(run: Run, recorded: str) -> None:
    call = ["analyze", recorded, "--stop", "share:0.75", "--answer", "majority"]
    found = json.loads(run(*call, "--json").stdout)["shadow"]
    assert (found["exact"], found["recorded_calls"]) == (True, 12)
    assert 4 <= found["calls"] < 12
    table = run(*call).stdout
    assert f"{found['calls']:.1f} of 12" in table
    assert "Exact: these are the calls and answers" in table
    assert "By r_c" in run(*call, "--copy").stdout
    refused = run("analyze", recorded, "-n", "5")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "cannot tell of rsa n=5" in refused.stderr


def test_advice_is_the_flags_to_type(run: Run, recorded: str, tmp_path: Path) -> None:
    found = json.loads(run("advise", recorded, "--loss", "20", "--json").stdout)
    flags = found["chosen"]["flags"]
    table = run("advise", recorded, "--loss", "20").stdout
    assert f"type   {flags}\n" in table
    typed = run("eval", "grouped.jsonl", "--model", "simulated:p=0.4,unanswered=0.1", *flags.split(), "--json")
    real = json.loads(typed.stdout)
    assert real["calls"] / 8 == pytest.approx(found["chosen"]["calls"], rel=0.0 if found["chosen"]["exact"] else 0.3)
    assert "None of them keeps" in run("advise", recorded, "--calls", "1").stdout
