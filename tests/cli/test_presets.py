"""Presets and dry runs: one word for the paper's settings, what the user spells out wins, and the price beforehand."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from selfagg.record.record import Record

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(("option", "told"), [([], (1.0, False)), (["--sampling", "server"], (None, True))])
def test_the_record_tells_whose_sampling_it_is(
    run: Run, questions: Path, tmp_path: Path, option: list[str], told: tuple[float | None, bool]
) -> None:
    call = ["eval", questions, "--size", "1", "--model", "simulated:", "--preset", "paper", "-n", "1", "-k", "1"]
    outcome = run(*call, "-t", "1", *option, "--record", "r.sqlite", "--json")
    sampling = json.loads(outcome.stdout)["sampling"]
    assert (sampling.get("top_p"), sampling["server_defaults"]) == told
    assert sampling["temperature"] == 1.0
    other = run(*call, "-t", "1", *([] if option else ["--sampling", "server"]), "--record", "r.sqlite")
    assert other.returncode == 2
    assert "sampling.server_defaults" in other.stderr


def test_a_preset_reaches_the_record(run: Run, questions: Path, tmp_path: Path) -> None:
    outcome = run("eval", questions, "--model", "simulated:gpt-oss", "--preset", "quick", "--dry-run")
    assert outcome.returncode == 0  # no model is opened: this one does not exist
    outcome = run("eval", questions, "--model", "simulated:", "--preset", "quick", "--record", "run.sqlite")
    assert outcome.returncode == 0, outcome.stderr
    with Record(tmp_path / "run.sqlite", read_only=True) as record:
        assert {"n": 4, "k": 2, "t": 3}.items() <= record.configuration["method"].items()


def test_a_dry_run_prints_the_price_and_leaves_nothing(run: Run, questions: Path, tmp_path: Path) -> None:
    outcome = run("eval", questions, "--preset", "paper", "--dry-run")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert "no model is asked" in outcome.stdout
    assert "960" in outcome.stdout  # calls
    assert f"{960 * 8192:,}" in outcome.stdout
    assert "taken to have 8,192 tokens" in outcome.stdout
    assert not (tmp_path / "runs").exists()
    found = json.loads(run("eval", questions, "--dry-run", "--expect-tokens", "500", "--json").stdout)
    assert (found["total"]["completion"], found["reply_tokens"]) == (960 * 500, 500)
    limited = json.loads(run("eval", questions, "--dry-run", "--max-tokens", "50", "--json").stdout)
    assert limited["total"]["completion"] == 960 * 50


def test_a_dry_run_matches_budgets(run: Run, questions: Path) -> None:
    command = ["compare", questions, "--preset", "quick", "--methods", "majority,rsa", "--dry-run"]
    found = json.loads(run(*command, "--seeds", "3", "--json").stdout)
    assert [(one["name"], one["calls"]) for one in found["methods"]] == [("rsa", 3 * 72), ("majority", 3 * 72)]
    assert found["total"]["calls"] == 3 * (72 + 72 - 24)  # the first samples are shared
    tokens = json.loads(run(*command, "--match", "tokens", "--expect-tokens", "100", "--json").stdout)
    rsa, majority = ({key: one[key] for key in ("n", "prompt", "completion")} for one in tokens["methods"])
    assert majority["n"] > 12
    assert 0.7 < (majority["prompt"] + majority["completion"]) / (rsa["prompt"] + rsa["completion"]) <= 1
    assert "measured on the first run" in run(*command, "--match", "tokens").stdout
