"""`sweep` and `asweep`: RSA over a grid of N, K and T, with nothing computed twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Unpack

from selfagg._internal.blocking import synchronous
from selfagg._internal.extras import extras_named
from selfagg.analysis.costs import Cost, costs_by_population
from selfagg.analysis.missing import Missing
from selfagg.analysis.summary import PopulationSummary, summarise
from selfagg.api import RunSettings, checked, checked_questions, opened_model, settings_named
from selfagg.benchmarks.base import Size
from selfagg.benchmarks.given import Questions
from selfagg.errors import UsageError
from selfagg.evaluation.advise import front_of, with_flags
from selfagg.evaluation.runs import Experiment, folder_for
from selfagg.methods import RSA, Method, method_named
from selfagg.record.record import Record

NS, KS, TS = (4, 8, 16), (1, 2, 4), (1, 2, 3, 5, 10)


@dataclass(frozen=True, slots=True)
class Grid:
    """The combinations of a sweep.

    Attributes:
        pairs: N and K of each run.
        ts: Populations that are asked about, in order.
        left_out: N and K that cannot be: a set of K does not come out of N members.
    """

    pairs: Sequence[tuple[int, int]]
    ts: Sequence[int]
    left_out: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, n: Sequence[int], k: Sequence[int], t: Sequence[int]) -> Grid:
        """Return the grid of these numbers, all from 1; where nothing is aggregated, one K stands for all."""
        for name, numbers in (("n", n), ("k", k), ("t", t)):
            whole = isinstance(numbers, Sequence) and all(isinstance(one, int) and one >= 1 for one in numbers)
            if not whole or not numbers:
                raise UsageError(f"{name} is {numbers!r}, but it must be a list of whole numbers from 1")
        ns, ks, ts = (sorted(set(numbers)) for numbers in (n, k, t))
        every = [(n, k) for n in ns for k in (ks[:1] if ts == [1] else ks)]
        possible = [(n, k) for n, k in every if k <= n]
        if not possible:
            raise UsageError(f"the smallest K {ks[0]} is larger than the largest N {ns[-1]}: nothing to run")
        return cls(possible, ts, [pair for pair in every if pair not in possible])

    def methods(self, settings: Mapping[str, Any] | None = None) -> list[Method]:
        """Return one run for each N and K, as long as the largest T, with further settings of RSA."""
        return [method_named(RSA.name, **{**(settings or {}), "n": n, "k": k, "t": self.ts[-1]}) for n, k in self.pairs]

    def left_out_words(self) -> str:
        """Return a sentence on the combinations that were left out; ``""`` if there are none."""
        pairs = ", ".join(f"n={n} k={k}" for n, k in self.left_out)
        return f"Left out, because K is larger than N: {pairs}." if pairs else ""


@dataclass(frozen=True)
class Cell:
    """One combination of a sweep.

    Attributes:
        n: Members of a population.
        k: Candidates of an aggregation; None at T = 1, where nothing is aggregated.
        population: Accuracy, pass@N, majority and the like of population T.
        cost: Mean cost of a question up to then.
        record: The record of the run; None if it was not kept.
    """

    n: int
    k: int | None
    population: PopulationSummary
    cost: Cost
    record: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return the cell as an object for JSON."""
        record = None if self.record is None else str(self.record)
        own = {"n": self.n, "k": self.k, "cost": self.cost.as_json(), "record": record}
        return {**self.population.as_json(), **own}


@dataclass(frozen=True)
class Sweep:
    """The result of `sweep`.

    Attributes:
        cells: One for each N, K and T; at T = 1 one for each N.
        model: The model's name.
        missing: Missing parts of the runs: members without a reply or a score, replies without a count of tokens.
        grid: The combinations.
        source: The origin of the questions, in words.
        folder: The folder of the records; None if they were not kept.
        front: Settings that no other beats in calls and accuracy, each with its ``flags``; plain and adaptive ones.
    """

    cells: Sequence[Cell]
    model: str
    missing: Missing
    grid: Grid
    source: str
    folder: Path | None
    front: Sequence[Mapping[str, Any]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg sweep --json`` prints."""
        return {
            "model": self.model,
            "simulated": self.model.startswith("simulated"),
            "cells": [cell.to_dict() for cell in self.cells],
            "front": list(self.front),
            "missing": self.missing.as_json(),
            "left_out": [{"n": n, "k": k} for n, k in self.grid.left_out],
            "source": self.source,
            "folder": None if self.folder is None else str(self.folder),
        }

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame`` with one row for each cell; raise UsageError if pandas is not installed."""
        with extras_named():
            return import_module("pandas").json_normalize([cell.to_dict() for cell in self.cells])


@settings_named(RunSettings)
async def asweep(
    questions: Questions,
    *,
    n: Sequence[int] = NS,
    k: Sequence[int] = KS,
    t: Sequence[int] = TS,
    rsa: Mapping[str, Any] | None = None,
    size: Size = None,
    out: str | Path | None = None,
    **settings: Unpack[RunSettings],
) -> Sweep:
    """Run RSA over a grid of N, K and T.

    One run for each N and K, as long as the largest T: a smaller T is read from it, and a smaller N shares its first
    samples with a larger one. The same call with the same ``out`` goes on where it stopped.

    Args:
        questions: A source, or the questions; see `selfagg.aevaluate`.
        n: Members of a population.
        k: Candidates of an aggregation; combinations with k > n are left out.
        t: Populations, the first included.
        rsa: Further settings of `selfagg.RSA`, as ``{"order": "prefix"}``.
        size: Number of questions to take.
        out: A folder that keeps the records; None: they are gone when this returns.
        **settings: See `RunSettings`.

    Raises:
        UsageError: A setting cannot work, or the model cannot be reached.
        RunStopped: The model is gone; what was finished is kept in ``out``.
    """
    grid, run = Grid.of(n, k, t), checked(settings)
    methods, asked = grid.methods(rsa), checked_questions(run, questions, size)
    with folder_for(out) as folder:
        async with opened_model(run) as model:
            paths = await Experiment(model, asked, run, folder).run_all(methods, [run["seed"]])
        return _found(grid, paths, asked.source, None if out is None else folder)


def _found(grid: Grid, paths: Sequence[Path], source: str, folder: Path | None) -> Sweep:
    cells: list[Cell] = []
    missing, model = Missing(), ""
    with ExitStack() as stack:
        records = [stack.enter_context(Record(path, read_only=True)) for path in paths]
        for (n, k), record in zip(grid.pairs, records, strict=True):
            summary, costs = summarise(record), costs_by_population(record)
            model, missing = summary.model, missing + summary.missing
            for t in grid.ts:
                if t > 1 or all(cell.n != n for cell in cells):  # the first population is the same for every K
                    population, kept = summary.populations[t - 1], record.path if folder else None
                    cells.append(Cell(n, None if t == 1 else k, population, costs[t - 1], kept))
        best = [with_flags(shadow) for shadow in front_of(records)]
    return Sweep(cells, model, missing, grid, source, folder, best)


sweep = synchronous(asweep)
