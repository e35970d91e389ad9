"""``selfagg eval``: a method on many questions, every member computed and scored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfagg.cli.options import (
    CodeOptions,
    DryRunOptions,
    MethodOptions,
    ModelOptions,
    QuestionOptions,
    RunOptions,
    SamplingOptions,
    spread,
)
from selfagg.cli.presets import PresetOption
from selfagg.cli.terminal import results

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.analysis.summary import Summary
    from selfagg.cli.asked import Asked
    from selfagg.engine.engine import Settings
    from selfagg.engine.run import Schedule
    from selfagg.methods import Method


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
    preset: PresetOption = None,
    logprobs: Annotated[bool, typer.Option(help="Record the log-probability of each token written.")] = False,
) -> None:
    """Evaluate a method on a benchmark or a file of questions.

    The record keeps every generation as soon as it is there: the same command with --record FILE goes on where a run
    stopped.
    """
    from rich.console import Console

    from selfagg.cli import stopping
    from selfagg.cli.asked import load_asked
    from selfagg.cli.code import prepare_code
    from selfagg.cli.dry_run import print_costs, reply_tokens
    from selfagg.cli.presets import preset_method, preset_sampling
    from selfagg.cli.records import record_file
    from selfagg.cli.tables import summary_table

    chosen = preset_method(preset, method).build()
    settings = preset_sampling(preset, sampling, model.model).settings(method.candidate, logprobs=logprobs)
    asked = load_asked(source, questions)
    if dry.dry_run:
        print_costs([chosen], asked, reply_tokens(dry, settings.sampling.max_tokens), as_json=run.as_json)
        return
    console = Console(stderr=True)
    prepare_code(code, asked.questions, console)
    with record_file(run.record, asked.name, chosen.name) as path:
        work = _Evaluation(asked, chosen, settings, method.schedule, model, path).run(console)
        summary = stopping.run(work, path).as_json()
    if run.as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
    else:
        results().print(summary_table(summary))
    if summary["calls"] and summary["failures"] - summary["skipped"] == summary["calls"]:
        raise stopping.Stopped(f"every call failed; the last: {summary['last_failure']}", 1)


@dataclass(frozen=True)
class _Evaluation:
    asked: Asked
    method: Method
    settings: Settings
    schedule: Schedule
    model: ModelOptions
    path: Path

    async def run(self, console: Console) -> Summary:
        from selfagg.analysis.summary import summarise
        from selfagg.cli.opening import opened_model
        from selfagg.cli.progress import Progress
        from selfagg.cli.stopping import command_line
        from selfagg.cli.terminal import say
        from selfagg.cli.view import shown
        from selfagg.engine.configuration import about, configuration
        from selfagg.engine.engine import Engine
        from selfagg.engine.record import Record
        from selfagg.engine.run import evaluate as evaluate_all

        method, questions, source = self.method, self.asked.questions, self.asked.source
        progress = Progress([method.size(t) for t in range(1, method.t + 1)], len(questions))
        async with opened_model(self.model, console) as model:
            with Record(self.path) as record:
                record.begin(
                    configuration(method, model.name, self.settings, source),
                    questions,
                    about(command=command_line(), context=model.context),
                )
                progress.resume(record)
                say(f"record {self.path}", console)
                engine = Engine(model, self.settings, record, concurrency=self.model.concurrency, watcher=progress)
                with shown(progress, method, source, model.name, console):
                    await evaluate_all(engine, method, questions, schedule=self.schedule)
                return summarise(record)
