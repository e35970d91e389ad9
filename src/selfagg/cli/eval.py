"""``selfagg eval``: a method on many questions, every member computed and scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfagg.cli.cluster import ClusterOptions, job_of
from selfagg.cli.options import (
    CodeOptions,
    DryRunOptions,
    MethodOptions,
    ModelOptions,
    QuestionOptions,
    RunOptions,
    SamplingOptions,
    ScorerName,
    spread,
)
from selfagg.cli.presets import PresetOption
from selfagg.cli.terminal import results, show

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.analysis.summary import Summary
    from selfagg.benchmarks.given import QuestionSet
    from selfagg.cli.progress import Progress
    from selfagg.methods import Method
    from selfagg.run.engine import Settings
    from selfagg.run.runner import Schedule


@spread
def evaluate(
    source: Annotated[
        str,
        typer.Argument(help="A benchmark, reasoning_gym:TASK\\[,TASK...], or a file: JSON lines, JSON or parquet."),
    ],
    questions: QuestionOptions,
    method: MethodOptions,
    model: ModelOptions,
    sampling: SamplingOptions,
    run: RunOptions,
    code: CodeOptions,
    dry: DryRunOptions,
    cluster: ClusterOptions,
    preset: PresetOption = None,
    scorer: ScorerName = None,
    logprobs: Annotated[bool, typer.Option(help="Record the log-probability of each token written.")] = False,
) -> None:
    """Evaluate a method on a benchmark or a file of questions.

    The record keeps every generation as soon as it is there: the same command with --record FILE goes on where a run
    stopped. With --ray the questions are split over the workers of a Ray cluster.
    """
    from rich.console import Console

    from selfagg.cli import stopping
    from selfagg.cli.code import prepare_code
    from selfagg.cli.dry_run import print_costs, reply_tokens
    from selfagg.cli.presets import preset_method, preset_sampling
    from selfagg.cli.questions import load_source
    from selfagg.cli.records import record_file
    from selfagg.cli.tables import summary_table
    from selfagg.errors import UsageError

    cluster.check()
    if scorer is not None and cluster.ray is not None:
        raise UsageError("--scorer does not go with --ray: workers score by the questions' kinds")
    chosen = preset_method(preset, method).build()
    settings = preset_sampling(preset, sampling, model.model).settings(method.candidate, logprobs=logprobs)
    asked = load_source(source, questions)
    if dry.dry_run:
        print_costs([chosen], asked, reply_tokens(dry, settings.sampling.max_tokens), as_json=run.as_json)
        return
    console = Console(stderr=True)
    prepare_code(code, asked.questions, console, elsewhere=cluster.ray is not None)
    with record_file(run.record, asked.name, chosen.name) as path:
        evaluation = _Evaluation(asked, chosen, settings, method.schedule, model, path, scorer, cluster.part)
        work = evaluation.run(console) if cluster.ray is None else evaluation.run_over(cluster, code, console)
        summary = stopping.run(work, path)
    found = summary.as_json()
    if run.as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        show(summary_table(found), results())
    if summary.calls and summary.failures - summary.skipped == summary.calls:
        raise stopping.Stopped(f"every call failed; the last: {summary.last_failure}", 1)
    stopping.check_complete(summary.missing, path)


@dataclass(frozen=True)
class _Evaluation:
    asked: QuestionSet
    method: Method
    settings: Settings
    schedule: Schedule
    model: ModelOptions
    path: Path
    scorer: str | None = None
    shard: tuple[int, int] | None = None

    async def run(self, console: Console) -> Summary:
        """In this process."""
        from selfagg.cli.live_view import shown
        from selfagg.cli.opening import opened_model
        from selfagg.cli.stopping import command_line
        from selfagg.cli.terminal import say
        from selfagg.evaluation.evaluate import aevaluate

        settings = self.settings
        async with opened_model(self.model, console) as model:
            with ExitStack() as view:

                def show() -> None:
                    say(f"record {self.path}", console)
                    view.enter_context(shown(progress, self.method, self.asked.source, model.name, console))

                progress = self._progress(show)
                evaluation = await aevaluate(
                    self.asked,
                    model=model,
                    method=self.method,
                    candidate=settings.candidate,
                    sampling=settings.sampling,
                    seed=settings.seed,
                    schedule=self.schedule,
                    scorer=self.scorer,
                    shard=self.shard,
                    record=self.path,
                    concurrency=self.model.concurrency,
                    callback=progress,
                    about={"command": command_line()},
                )
            return evaluation.summary

    async def run_over(self, cluster: ClusterOptions, code: CodeOptions, console: Console) -> Summary:
        """Over the workers of a Ray cluster."""
        from rich.text import Text

        from selfagg.analysis.summary import summarise
        from selfagg.cli.live_view import shown
        from selfagg.cli.stopping import command_line
        from selfagg.cli.terminal import say
        from selfagg.cluster.connection import connected
        from selfagg.cluster.run import RunSplit
        from selfagg.record.configuration import about, configuration
        from selfagg.record.record import Record

        questions, source = self.asked.questions, self.asked.source
        job = job_of(self.model, self.method, self.settings, self.schedule, source, questions, code)
        progress, opening = self._progress(), console.status(Text(f"opening {self.model.model} on Ray workers ..."))
        with opening, connected(str(cluster.ray), job.model, cluster.workers) as ray:
            async with RunSplit(ray, job, questions, progress, lambda words: say(words, console)) as split:
                facts = await split.first()
                opening.stop()
                with Record(self.path) as record:
                    record.begin(
                        configuration(self.method, facts.model, self.settings, source),
                        questions,
                        about(command=command_line(), context=facts.context),
                    )
                    progress.resume(record)
                    say(f"record {self.path}", console)
                    with shown(progress, self.method, source, facts.model, console):
                        await split.evaluate(record)
                    return summarise(record)

    def _progress(self, show: Callable[[], None] | None = None) -> Progress:
        from selfagg.cli.progress import Progress

        sizes = [self.method.size(t) for t in range(1, self.method.t + 1)]
        i, n = self.shard or (1, 1)
        return Progress(sizes, len(self.asked.questions[i - 1 :: n]), show=show)
