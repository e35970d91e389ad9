"""`sweep`: its grid, what it runs and keeps, and what the command prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import selfagg
from selfagg.evaluation.sweep import Grid

QUESTIONS = [selfagg.Question(f"q{i}", f"What is {i} + {i}?", kind="math", gold=str(2 * i)) for i in range(5)]
MODEL = "simulated:p=0.4"


def test_it_is_what_the_command_prints(tmp_path: Path, printed: Callable[..., dict[str, Any]]) -> None:
    rows = [{"id": q.id, "question": q.text, "answer": q.gold, "kind": q.kind} for q in QUESTIONS]
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    by_command = printed("sweep", path.name, "-m", MODEL, "-n", "2,4", "-k", "2,3", "-t", "1,2", "--out", "s")
    swept = selfagg.sweep(path, n=[2, 4], k=[2, 3], t=[1, 2], model=MODEL, out=tmp_path / "s").to_dict()
    assert json.loads(json.dumps(swept).replace(f"{tmp_path}/", "")) == by_command


def test_the_grid_leaves_out_what_cannot_be_and_asks_nothing_twice() -> None:
    grid = Grid.of([4, 2, 4], [3, 1], [2, 1])
    assert (grid.pairs, grid.ts, grid.left_out) == ([(2, 1), (4, 1), (4, 3)], [1, 2], [(2, 3)])
    assert grid.left_out_words() == "Left out, because K is larger than N: n=2 k=3."
    assert [(m.n, m.k, m.t) for m in grid.methods() if isinstance(m, selfagg.RSA)] == [(2, 1, 2), (4, 1, 2), (4, 3, 2)]
    alone = Grid.of([4, 2], [1, 2, 3], [1])
    assert (alone.pairs, alone.left_out_words()) == ([(2, 1), (4, 1)], "")
    with pytest.raises(selfagg.UsageError, match="the smallest K 5 is larger than the largest N 4"):
        Grid.of([4], [5, 6], [2])


def test_cells_are_those_of_the_runs(tmp_path: Path) -> None:
    swept = selfagg.sweep(QUESTIONS, n=[4], k=[1, 2], t=[1, 3], model=MODEL, out=tmp_path / "s")
    assert [(cell.n, cell.k, cell.population.t, cell.cost.calls) for cell in swept.cells] == [
        (4, None, 1, 4),
        (4, 1, 3, 12),
        (4, 2, 3, 12),
    ]
    for cell in swept.cells:
        assert cell.record is not None
        own = selfagg.analyze(cell.record).evaluation
        assert cell.population == own.populations[cell.population.t - 1]
    calls = [one["calls"] for one in swept.front]
    assert calls == sorted(calls)


def test_without_a_folder_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    swept = selfagg.sweep(QUESTIONS, n=[2], k=[1, 2], t=[1, 2], model=MODEL)
    assert (swept.folder, {cell.record for cell in swept.cells}) == (None, {None})
    assert list(tmp_path.iterdir()) == []
    table = pytest.importorskip("pandas") and swept.to_pandas()
    assert [tuple(row) for row in table[["n", "t"]].to_numpy()] == [(2, 1), (2, 2), (2, 2)]


async def test_in_a_running_loop() -> None:
    assert len((await selfagg.asweep(QUESTIONS, n=[2], k=[1], t=[1], model=MODEL)).cells) == 1


@pytest.mark.parametrize("given", [{"n": [0]}, {"k": []}, {"t": [1.5]}])
def test_what_cannot_be_swept(given: dict[str, Any]) -> None:
    with pytest.raises(selfagg.UsageError, match=f"{next(iter(given))} is"):
        selfagg.sweep(QUESTIONS, model=MODEL, **given)
