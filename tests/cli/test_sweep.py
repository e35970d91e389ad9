"""`selfagg sweep`: a grid of N, K and T in which nothing is computed twice."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from openai_faults import FaultServer

from selfagg.errors import UsageError
from selfagg.evaluation.sweep import Grid

Run = Callable[..., subprocess.CompletedProcess[str]]
GRID = ["--n", "2,4", "--k", "1,2,3", "--t", "1,2,4"]


async def test_nothing_is_computed_twice(run: Run, questions: Path) -> None:
    async with FaultServer() as server:
        command = ["sweep", questions, "--model", "openai:fake", "--base-url", server.url, *GRID, "--out", "out"]
        planned = json.loads((await asyncio.to_thread(run, *command, "--dry-run", "--json")).stdout)
        assert server.bodies == []
        outcome = await asyncio.to_thread(run, *command, "--json")
        assert outcome.returncode == 0, outcome.stderr
        runs = [(2, 1), (2, 2), (4, 1), (4, 2), (4, 3)]
        assert len(server.bodies) == 6 * (4 + sum(3 * n for n, _ in runs)) == planned["total"]["calls"]
        await asyncio.to_thread(run, *command, "--json")
        assert len(server.bodies) == planned["total"]["calls"]
    found = json.loads(outcome.stdout)
    cells = [(cell["n"], cell["k"], cell["t"]) for cell in found["cells"]]
    assert cells == [
        (2, None, 1), (2, 1, 2), (2, 1, 4), (2, 2, 2), (2, 2, 4),
        (4, None, 1), (4, 1, 2), (4, 1, 4), (4, 2, 2), (4, 2, 4), (4, 3, 2), (4, 3, 4),
    ]  # fmt: skip
    assert found["left_out"] == [{"n": 2, "k": 3}]
    assert all(cell["cost"]["calls"] == cell["n"] * cell["t"] for cell in found["cells"])


def test_a_smaller_t_is_what_a_shorter_run_would_give(run: Run, questions: Path) -> None:
    model = ["--model", "simulated:p=0.4"]
    outcome = run("sweep", questions, *model, "--n", "4", "--k", "2", "--t", "2,3", "--out", "out", "--json")
    cell = next(cell for cell in json.loads(outcome.stdout)["cells"] if cell["t"] == 2)
    direct = json.loads(run("eval", questions, *model, "-n", "4", "-k", "2", "-t", "2", "--json").stdout)
    last = direct["populations"][-1]
    assert {key: cell[key] for key in last} == last
    assert 6 * cell["cost"]["completion"] == direct["usage"]["completion"]


def test_the_table_says_what_was_left_out_and_that_it_is_simulated(run: Run, questions: Path) -> None:
    outcome = run("sweep", questions, "--model", "simulated:p=0.4", "--n", "2,4", "--k", "3", "--t", "1,2")
    assert outcome.returncode == 0, outcome.stderr
    assert "SIMULATED" in outcome.stdout
    assert "Left out, because K is larger than N: n=2 k=3." in outcome.stdout
    assert [row.split()[:3] for row in re.findall(r"^4 .*$", outcome.stdout, re.MULTILINE)] == [
        ["4", "any", "1"],
        ["4", "3", "2"],
    ]
    assert re.search(r"records runs/\d{8}-\d{6}-questions-sweep", outcome.stdout)


def test_without_aggregation_one_k_stands_for_all() -> None:
    grid = Grid.of([4, 2, 4], [2, 1], [1])
    assert (grid.pairs, grid.left_out) == ([(2, 1), (4, 1)], [])
    with pytest.raises(UsageError, match="nothing to run"):
        Grid.of([2], [3], [1, 2])


def test_numbers_that_are_none(run: Run, questions: Path) -> None:
    outcome = run("sweep", questions, "--model", "simulated:", "--n=4,,8")
    assert outcome.returncode == 2
    assert "--n" in outcome.stderr
