"""``selfagg sweep``: RSA over a grid of N, K and T, with nothing computed twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from selfagg.benchmarks.base import Selection
from selfagg.cli.generate import command
from selfagg.cli.options import BatchOptions, CodeOptions, DryRunOptions, MethodSettings, ModelChoice
from selfagg.run.engine import Settings

if TYPE_CHECKING:
    from selfagg.evaluation.sweep import Grid


@command
def sweep(
    source: str,
    *,
    questions: Selection,
    method: MethodSettings,
    model: ModelChoice,
    settings: Settings,
    batch: BatchOptions,
    code: CodeOptions,
    dry: DryRunOptions,
    n: str = "4,8,16",
    k: str = "1,2,4",
    t: str = "1,2,3,5,10",
) -> None:
    """Run RSA over a grid of N, K and T.

    One run for each N and K, as long as the largest T: a smaller T is read from it, and a smaller N shares its first
    samples with a larger one. The same command with --out FOLDER goes on where it stopped.

    Args:
        source: A benchmark, reasoning_gym:TASK[,TASK...], or a file.
        n: Members of a population, with commas between them.
        k: Candidates that an aggregation sees, with commas between them.
        t: Populations, with commas between them.
    """
    from rich.console import Console

    from selfagg.benchmarks.given import selected_set
    from selfagg.cli import stopping, values
    from selfagg.cli.code import prepare_code
    from selfagg.cli.dry_run import print_costs
    from selfagg.cli.opening import run_opened
    from selfagg.cli.records import out_folder
    from selfagg.evaluation.sweep import Grid, run_grid
    from selfagg.terminal import print_result

    grid = Grid.of(values.numbers("--n", n), values.numbers("--k", k), values.numbers("--t", t))
    methods, asked = grid.methods(method.given), selected_set(source, questions)
    if dry.dry_run:
        note = grid.left_out_words()
        print_costs(methods, asked, dry.reply_tokens(settings), as_json=batch.as_json, note=note)
        return
    console = Console(stderr=True)
    prepare_code(code, asked.questions, console)
    with out_folder(batch.out, asked.name, "sweep") as folder:
        given = {"questions": asked, "grid": grid, "rsa": method.given, "out": folder}
        found = stopping.run(run_opened(run_grid, model, settings, method.schedule, console, **given), folder)
    print_result(found.to_dict(), lambda told: _table(told, grid), as_json=batch.as_json)
    stopping.check_complete(found.missing, folder)


def _table(found: Mapping[str, Any], grid: Grid) -> Any:
    from rich.console import Group
    from rich.text import Text

    from selfagg.analysis.missing import Missing
    from selfagg.cli.shadow_table import front_table
    from selfagg.cli.tables import Columns, interval, number, percent, table
    from selfagg.progress_bar import described_model

    missing = Missing.read(found["missing"])
    failed: Columns = {
        "failed": lambda cell: f"{cell['unanswered_failed']:,}",
        "without them": lambda cell: percent(cell["accuracy_replied"]),
    }
    columns: Columns = {
        "n": lambda cell: cell["n"],
        "k": lambda cell: cell["k"] or "any",
        "t": lambda cell: cell["t"],
        "accuracy": lambda cell: percent(cell["accuracy"]),
        "95 % interval": lambda cell: interval(cell["interval"]),
        **(failed if missing.failed else {}),
        "pass@N": lambda cell: percent(cell["pass_at_n"]),
        "majority": lambda cell: percent(cell["majority"]),
        "calls": lambda cell: f"{cell['cost']['calls']:,.0f}",
        "tokens": lambda cell: number(cell["cost"]["tokens"]),
    }
    title = f"rsa, {found['source']}, {described_model(found['model'])}"
    costs = "calls and tokens (prompt and completion) are those of a question"
    lines = [costs, *filter(None, [grid.left_out_words()])]
    lines += [f"{word}: {sentence}" for word, sentence in missing.lines()]
    lines.append(f"records {found['folder']}")
    return Group(
        Text(title, "bold"), table(columns, found["cells"]), *front_table(found["front"]), Text("\n".join(["", *lines]))
    )
