"""``selfagg eval --ray`` where there is no cluster to be had."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

SIMULATED = ("--model", "simulated:")


def test_workers_without_a_cluster_are_refused(run: Run, questions: Path) -> None:
    done = run("eval", questions, *SIMULATED, "--workers", "2")
    assert done.returncode == 2
    assert "--workers needs --ray ADDRESS" in done.stderr


def test_an_address_where_nobody_is(run: Run, questions: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "nonsense"):
        done = run("eval", questions, *SIMULATED, "--ray", address)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith(f"selfagg: --ray {address}: no"), done.stderr
    assert not list((tmp_path / "runs").glob("*"))


def test_without_ray_it_says_what_to_install(run: Run, questions: Path, tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('no ray here')")
    done = run("eval", questions, *SIMULATED, "--ray", "local", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.strip() == "selfagg: --ray needs Ray (no ray here): pip install 'selfagg[ray]'"
