"""``python -m examples.lab``: why training a model to aggregate helps, shown with a tiny model trained in minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfagg.cli import run_app
from selfagg.errors import UsageError
from selfagg.terminal import results, say

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def lab(
    out: Annotated[Path, typer.Option(help="The folder of the lab: a new one, or one to go on with.")] = Path("lab"),
    setting: Annotated[
        str, typer.Option(help="claim, where the paper's claim can hold; easy and strong-base, where it cannot.")
    ] = "claim",
    seed: Annotated[int, typer.Option(help="The first seed: a world and a model of its own.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, one after another number.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Too small to show anything, to see that it runs.")] = False,
) -> None:
    """Show what aggregation-aware RL does, from nothing: a tiny model, three trainings, RSA with each.

    Takes one core and five to ten minutes a seed. The same command goes on where it was stopped. The folder gets
    findings.md, the figure (lab.png, lab.svg), results.json, and for each seed its models, records and rollouts.
    """
    from examples.lab.lab import FINDINGS, run_lab
    from rich.console import Console

    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, and the lab writes a folder")
    console = Console(stderr=True)
    findings = run_lab(setting, range(seed, seed + seeds), out, quick=quick, told=lambda line: say(line, console))
    results().print(findings, markup=False, highlight=False, soft_wrap=True)
    say(f"text {out / FINDINGS}, figure (where a base came about) {out / 'lab.png'}", console)


if __name__ == "__main__":
    run_app(app)
