"""``selfagg eval``: a method on many questions, every member computed and scored."""

from __future__ import annotations

from selfagg.benchmarks.base import Selection
from selfagg.cli.cluster import ClusterOptions
from selfagg.cli.generate import command
from selfagg.cli.options import CodeOptions, DryRunOptions, MethodChoice, ModelChoice, RunOptions
from selfagg.evaluation.presets import Preset
from selfagg.run.engine import Settings


@command
def evaluate(
    source: str,
    *,
    questions: Selection,
    method: MethodChoice,
    model: ModelChoice,
    settings: Settings,
    run: RunOptions,
    code: CodeOptions,
    dry: DryRunOptions,
    cluster: ClusterOptions,
    preset: Preset | None = None,
) -> None:
    """Evaluate a model on a benchmark or a file of questions.

    The record keeps every generation as soon as it is there: the same command with --record FILE goes on where a run
    stopped. With --ray the questions are split over the workers of a Ray cluster.

    Args:
        source: A benchmark, reasoning_gym:TASK[,TASK...], or a file: JSON lines, JSON or parquet.
        preset: paper: N=16 K=4 T=10, 8192 tokens, voting over N x T. quick: N=4 K=2 T=3. Other options win.
    """
    from rich.console import Console

    from selfagg.benchmarks.given import selected_set
    from selfagg.cli import stopping
    from selfagg.cli.code import prepare_code
    from selfagg.cli.dry_run import print_costs
    from selfagg.cli.opening import run_opened
    from selfagg.cli.options import preset_settings
    from selfagg.cli.records import record_file
    from selfagg.cli.tables import summary_table
    from selfagg.errors import UsageError
    from selfagg.evaluation.evaluate import aevaluate
    from selfagg.progress_bar import ProgressBar
    from selfagg.terminal import print_result

    cluster.check()
    if settings.scorer is not None and cluster.ray is not None:
        raise UsageError("--scorer does not go with --ray: workers score by the questions' kinds")
    chosen, settings = method.build(preset), preset_settings(preset, settings, model.model)
    asked = selected_set(source, questions)
    if dry.dry_run:
        print_costs([chosen], asked, dry.reply_tokens(settings), as_json=run.as_json)
        return
    console = Console(stderr=True)
    prepare_code(code, asked.questions, console, elsewhere=cluster.ray is not None)
    with record_file(run.record, asked.name, chosen.name) as path:
        if cluster.ray is None:
            bar = ProgressBar(console, done_too=True)
            given = {"questions": asked, "method": chosen, "record": path, "callback": bar, "shard": cluster.part}
            work = run_opened(aevaluate, model, settings, method.schedule, console, **given)
            summary = stopping.run(work, path).summary
        else:
            summary = stopping.run(cluster.run(asked, chosen, method, settings, model, code, path, console), path)
    print_result(summary.as_json(), summary_table, as_json=run.as_json)
    if summary.calls and summary.failures - summary.skipped == summary.calls:
        raise stopping.Stopped(f"every call failed; the last: {summary.last_failure}", 1)
    stopping.check_complete(summary.missing, path)
