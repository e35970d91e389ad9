"""Questions that ask for programs: a sandbox is found before anything is paid for, or the run is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
ROW = {
    "task_id": "own/0",
    "prompt": 'def half(x):\n    """Half of x."""\n',
    "entry_point": "half",
    "canonical_solution": "    return x / 2\n",
    "test": "def check(candidate):\n    assert candidate(3) == 1.5\n",
}
CALL = [
    "eval",
    "humaneval",
    "--data",
    "own.jsonl",
    "-n",
    "8",
    "-k",
    "1",
    "-t",
    "1",
    "--model",
    "simulated:p=0.5,spread=0",
]


@pytest.fixture(autouse=True)
def problem(tmp_path: Path) -> None:
    rows = [ROW | {"task_id": f"own/{i}"} for i in range(3)]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_without_a_sandbox_nothing_is_asked(run: Run, tmp_path: Path) -> None:
    outcome = run(*CALL, PATH=str(tmp_path))
    assert outcome.returncode == 2
    assert "bubblewrap is not installed" in outcome.stderr
    assert "--unsafe-run-code-unprotected" in outcome.stderr
    assert not (tmp_path / "runs").exists()
    for command in ("compare", "sweep"):
        refused = run(command, "humaneval", "--data", "own.jsonl", "--model", "simulated:", PATH=str(tmp_path))
        assert refused.returncode == 2
        assert not (tmp_path / "runs").exists()


def test_unprotected_only_in_so_many_words(run: Run, tmp_path: Path) -> None:
    outcome = run(*CALL, "--unsafe-run-code-unprotected", "--json", PATH=str(tmp_path))
    assert outcome.returncode == 0, outcome.stderr
    assert "WARNING: programs that the model writes run unprotected" in outcome.stderr
    assert 0 < json.loads(outcome.stdout)["answer_accuracy"] < 1
    both = run(*CALL, "--unsafe-run-code-unprotected", "--sandbox", "docker")
    assert both.returncode == 2
    assert "exclude each other" in both.stderr


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_the_sandbox_that_is_named(run: Run) -> None:
    outcome = run(*CALL, "--sandbox", "bubblewrap", "--json")
    if "none works here" in outcome.stderr:
        pytest.skip("bubblewrap does not work here")
    assert outcome.returncode == 0, outcome.stderr
    assert "WARNING" not in outcome.stderr
    assert outcome.stderr.count("programs run in bubblewrap: ") == 1
    assert 0 < json.loads(outcome.stdout)["answer_accuracy"] < 1


def test_questions_without_programs_need_no_sandbox(run: Run, questions: Path, tmp_path: Path) -> None:
    small = ["-n", "1", "-k", "1", "-t", "1", "--model", "simulated:"]
    assert run("eval", questions, *small, "--sandbox", "docker", PATH=str(tmp_path)).returncode == 0


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_what_a_failing_sandbox_left_unscored_is_scored_by_the_next_run(
    run: Run, tmp_path: Path, environment: dict[str, str]
) -> None:
    """A sandbox that starts six times and then no more, as where a machine runs out of namespaces."""
    flaky = tmp_path / "bin" / "bwrap"
    flaky.parent.mkdir()
    flaky.write_text(
        f"#!/bin/sh\nexec 9>>{tmp_path}/lock; flock 9; n=$(cat {tmp_path}/n 2>/dev/null || echo 0); "
        f"echo $((n + 1)) > {tmp_path}/n; exec 9>&-\n"
        f'[ "$n" -ge 6 ] && exit 1\nexec {shutil.which("bwrap")} "$@"\n'
    )
    flaky.chmod(0o755)
    call = [*CALL[:4], "--model", "simulated:p=1", "--sandbox", "bubblewrap", "-n", "2", "-k", "2", "-t", "2"]
    call += ["--record", "r.sqlite"]
    outcome = run(*call, PATH=f"{flaky.parent}:{environment['PATH']}")
    if "none works here" in outcome.stderr:
        pytest.skip("bubblewrap does not work here")
    assert outcome.returncode == 1
    assert "--record r.sqlite" in outcome.stderr.splitlines()[-1]
    assert "Traceback" not in outcome.stderr
    healthy = run(*call, "--json")
    assert healthy.returncode == 0, healthy.stderr
    found = json.loads(healthy.stdout)
    assert (found["missing"]["unscored"], found["answer_accuracy"], found["calls"]) == (0, 1.0, 12)
