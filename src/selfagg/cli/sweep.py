"""``selfagg sweep``: RSA over a grid of N, K and T, with nothing computed twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selfagg.cli.options import (
    METHOD,
    Barrier,
    BatchOptions,
    CodeOptions,
    DryRunOptions,
    ModelOptions,
    Order,
    QuestionOptions,
    SamplingOptions,
    Shown,
    spread,
)
from selfagg.cli.terminal import results, show

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.benchmarks.given import QuestionSet
    from selfagg.engine.engine import Settings
    from selfagg.engine.run import Schedule
    from selfagg.methods import Method


@spread
def sweep(
    source: Annotated[str, typer.Argument(help="A benchmark, reasoning_gym:TASK\\[,TASK...], or a file.")],
    questions: QuestionOptions,
    model: ModelOptions,
    sampling: SamplingOptions,
    batch: BatchOptions,
    code: CodeOptions,
    dry: DryRunOptions,
    n: Annotated[str, typer.Option("--n", "-n", metavar="N,...", rich_help_panel=METHOD, help="Members.")] = "4,8,16",
    k: Annotated[str, typer.Option("--k", "-k", metavar="K,...", rich_help_panel=METHOD, help="Candidates.")] = "1,2,4",
    t: Annotated[
        str, typer.Option("--t", "-t", metavar="T,...", rich_help_panel=METHOD, help="Populations.")
    ] = "1,2,3,5,10",
    order: Order = None,
    schedule: Barrier = "free",
    candidate: Shown = "response",
) -> None:
    """Run RSA over a grid of N, K and T.

    One run for each N and K, as long as the largest T: a smaller T is read from it, and a smaller N shares its first
    samples with a larger one. The same command with --out FOLDER goes on where it stopped.
    """
    from rich.console import Console

    from selfagg.analysis.missing import Missing
    from selfagg.cli import stopping, values
    from selfagg.cli.asked import load_asked
    from selfagg.cli.code import prepare_code
    from selfagg.cli.records import out_folder

    grid = Grid.of(values.numbers("--n", n), values.numbers("--k", k), values.numbers("--t", t))
    methods = grid.methods(order)
    settings = sampling.settings(candidate)
    asked = load_asked(source, questions)
    if dry.dry_run:
        from selfagg.cli.dry_run import print_costs, reply_tokens

        note = grid.left_out_words()
        reply = reply_tokens(dry, settings.sampling.max_tokens)
        print_costs(methods, asked, reply, as_json=batch.as_json, note=note)
        return
    console = Console(stderr=True)
    prepare_code(code, asked.questions, console)
    with out_folder(batch.out, asked.name, "sweep") as folder:
        work = _runs(methods, asked, settings, schedule, model, folder, console)
        found = _found(grid, stopping.run(work, folder))
    found |= {"source": asked.source, "folder": str(folder)}
    if batch.as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        show(_table(found, grid), results())
    stopping.check_complete(Missing.read(found["missing"]), folder)


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
    def of(cls, ns: Sequence[int], ks: Sequence[int], ts: Sequence[int]) -> Grid:
        """The grid of these numbers; where nothing is aggregated, one K stands for all.

        Raises:
            UsageError: Every combination is impossible.
        """
        from selfagg.errors import UsageError

        ns, ks, ts = sorted(set(ns)), sorted(set(ks)), sorted(set(ts))
        if ts == [1]:
            ks = ks[:1]
        every = [(n, k) for n in ns for k in ks]
        possible = [(n, k) for n, k in every if k <= n]
        if not possible:
            raise UsageError(f"the smallest --k {ks[0]} is larger than the largest --n {ns[-1]}: nothing to run")
        return cls(possible, ts, [pair for pair in every if pair not in possible])

    def methods(self, order: str | None) -> list[Method]:
        """One run for each N and K, as long as the largest T."""
        from selfagg.methods import method_named

        return [method_named("rsa", n=n, k=k, t=self.ts[-1], order=order) for n, k in self.pairs]

    def left_out_words(self) -> str:
        """What was left out, as a sentence; ``""`` if nothing was."""
        if not self.left_out:
            return ""
        return f"Left out, because K is larger than N: {', '.join(f'n={n} k={k}' for n, k in self.left_out)}."


async def _runs(
    methods: Sequence[Method],
    asked: QuestionSet,
    settings: Settings,
    schedule: Schedule,
    model: ModelOptions,
    folder: Path,
    console: Console,
) -> list[Path]:
    from selfagg.cli.batch import opened_experiment

    async with opened_experiment(asked, settings, schedule, model, folder, console) as (experiment, watching):
        return await experiment.run_all(methods, [settings.seed], watching)


def _found(grid: Grid, paths: Sequence[Path]) -> dict[str, Any]:
    """The object that ``--json`` prints: a cell for each N, K and T; at T = 1 one for each N."""
    from selfagg.analysis.costs import costs_by_population
    from selfagg.analysis.missing import Missing
    from selfagg.analysis.summary import summarise
    from selfagg.engine.record import Record
    from selfagg.experiments.advise import flags, front_of

    cells: list[dict[str, Any]] = []
    missing = Missing()
    model = ""
    for (n, k), path in zip(grid.pairs, paths, strict=True):
        with Record(path, read_only=True) as record:
            summary, costs = summarise(record), costs_by_population(record)
        model, missing = summary.model, missing + summary.missing
        for t in grid.ts:
            if t == 1 and any(cell["n"] == n for cell in cells):
                continue  # the first population is the same for every K
            cost = costs[t - 1].as_json()
            cell = {"n": n, "k": None if t == 1 else k, "cost": cost, "record": str(path)}
            cells.append({**summary.populations[t - 1].as_json(), **cell})
    with ExitStack() as stack:
        records = [stack.enter_context(Record(path, read_only=True)) for path in paths]
        best = [{**shadow.to_dict(), "flags": flags(shadow.method)} for shadow in front_of(records)]
    return {
        "model": model,
        "simulated": model.startswith("simulated"),
        "cells": cells,
        "front": best,
        "missing": missing.as_json(),
        "left_out": [{"n": n, "k": k} for n, k in grid.left_out],
    }


def _table(found: dict[str, Any], grid: Grid) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from selfagg.analysis.missing import Missing
    from selfagg.cli.shadow_table import front_table
    from selfagg.cli.tables import interval, number, percent
    from selfagg.cli.view import described_model

    table = Table(box=None, pad_edge=False)
    missing = Missing.read(found["missing"])
    more = ("failed", "without them") if missing.failed else ()
    names = ("n", "k", "t", "accuracy", "95 % interval", *more, "pass@N", "majority", "calls", "tokens")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for cell in found["cells"]:
        table.add_row(
            str(cell["n"]),
            "any" if cell["k"] is None else str(cell["k"]),
            str(cell["t"]),
            percent(cell["accuracy"]),
            interval(cell["interval"]),
            *((f"{cell['unanswered_failed']:,}", percent(cell["accuracy_replied"])) if more else ()),
            percent(cell["pass_at_n"]),
            percent(cell["majority"]),
            f"{cell['cost']['calls']:,.0f}",
            number(cell["cost"]["tokens"]),
        )
    title = f"rsa, {found['source']}, {described_model(found['model'])}"
    costs = "calls and tokens (prompt and completion) are those of a question"
    lines = [costs, *filter(None, [grid.left_out_words()])]
    lines += [f"{word}: {sentence}" for word, sentence in missing.lines()]
    lines.append(f"records {found['folder']}")
    return Group(Text(title, "bold"), table, *front_table(found["front"]), Text("\n".join(["", *lines])))
