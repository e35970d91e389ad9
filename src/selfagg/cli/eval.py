"""``selfagg eval``: a method on many questions, every member computed and scored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfagg.cli.options import MethodOptions, ModelOptions, QuestionOptions, RunOptions, SamplingOptions, spread

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.analysis.summary import Summary
    from selfagg.engine.engine import Settings
    from selfagg.engine.run import Schedule
    from selfagg.methods import Method
    from selfagg.types import Question


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
    logprobs: Annotated[bool, typer.Option(help="Record the log-probability of each token written.")] = False,
) -> None:
    """Evaluate a method on a benchmark or a file of questions.

    The record keeps every generation as soon as it is there: the same command with --record FILE goes on where a run
    stopped.
    """
    from rich.console import Console

    from selfagg.benchmarks import load_questions
    from selfagg.cli import stopping, values
    from selfagg.cli.records import record_file
    from selfagg.cli.tables import summary_table
    from selfagg.errors import UsageError

    if not source:
        raise UsageError("the source of the questions is empty: name a benchmark, reasoning_gym:TASK or a file")
    chosen = method.build()
    settings = sampling.settings(method.candidate, logprobs=logprobs)
    task_settings = values.pairs("--set", questions.set_ or ())
    asked = load_questions(
        source,
        size=values.size(questions.size),
        data=questions.data,
        data_seed=questions.data_seed,
        settings=task_settings,
        examples=questions.examples,
    )
    described = _described(source, asked, questions, task_settings)
    run_name = Path(source).stem if Path(source).is_file() else source
    with record_file(run.record, run_name, chosen.name) as path:
        work = _Evaluation(asked, described, chosen, settings, method.schedule, model, path).run(Console(stderr=True))
        summary = stopping.run(work, path).as_json()
    if run.as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
    else:
        Console().print(summary_table(summary))


@dataclass(frozen=True)
class _Evaluation:
    questions: list[Question]
    source: str
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

        method, questions = self.method, self.questions
        progress = Progress([method.size(t) for t in range(1, method.t + 1)], len(questions))
        async with opened_model(self.model, console) as model:
            with Record(self.path) as record:
                record.begin(
                    configuration(method, model.name, self.settings, self.source),
                    questions,
                    about(command=command_line(), context=model.context),
                )
                progress.resume(record)
                say(f"record {self.path}", console)
                engine = Engine(model, self.settings, record, concurrency=self.model.concurrency, watcher=progress)
                with shown(progress, method, self.source, model.name, console):
                    await evaluate_all(engine, method, questions, schedule=self.schedule)
                return summarise(record)


def _described(source: str, questions: list[Question], options: QuestionOptions, settings: dict[str, str]) -> str:
    """Which questions these are, for the record."""
    parts = [
        Path(source).name if Path(source).exists() else source,
        f"{len(questions)} questions" if len(questions) > 1 else "1 question",
        *([f"data seed {options.data_seed}"] if options.data_seed else []),
        *(f"{key}={value}" for key, value in sorted(settings.items())),
        *([f"{options.examples} examples"] if options.examples else []),
    ]
    return ", ".join(parts)
