"""``selfagg train data``: problems and a model's candidates for them, made into training prompts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from selfagg.cli.options import (
    QUESTIONS,
    RUN,
    CodeOptions,
    Json,
    ModelOptions,
    QuestionOptions,
    SamplingOptions,
    spread,
)
from selfagg.cli.terminal import results, say

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.methods import Majority
    from selfagg.record.record import Record
    from selfagg.run.engine import Callback
    from selfagg.training.data import DataPlan
    from selfagg.training.recipe import Recipe

Kept = Literal["keep", "drop"]
SET = "Training set"
"""The heading under which ``--help`` lists what a set is made of."""


@dataclasses.dataclass(frozen=True)
class RecipeOptions:
    """What a training set is made of."""

    fraction: Annotated[
        float,
        typer.Option(
            help="Share of aggregation prompts; 0: plain problems alone, no model is asked.", rich_help_panel=SET
        ),
    ] = 0.5
    k: Annotated[int, typer.Option("--k", "-k", help="Candidates of an aggregation prompt.", rich_help_panel=SET)] = 4
    pool: Annotated[
        int | None,
        typer.Option(help="Candidates sampled for each problem, of which K are drawn (K).", rich_help_panel=SET),
    ] = None
    draws: Annotated[int, typer.Option(help="Different sets of K drawn for each problem.", rich_help_panel=SET)] = 1
    all_right: Annotated[Kept, typer.Option(help="Prompts all of whose candidates are right.", rich_help_panel=SET)] = (
        "keep"
    )
    all_wrong: Annotated[Kept, typer.Option(help="Prompts none of whose candidates is right.", rich_help_panel=SET)] = (
        "keep"
    )
    max_prompt_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help="Most tokens of a prompt (what the context leaves beside a reply).", rich_help_panel=SET
        ),
    ] = None
    too_long: Annotated[
        Literal["shorten", "drop"],
        typer.Option(help="Longer ones: candidates shortened as at inference, or dropped.", rich_help_panel=SET),
    ] = "shorten"
    held_out: Annotated[int, typer.Option(min=0, help="Problems kept apart as a test split.", rich_help_panel=SET)] = 0
    candidate: Annotated[
        str,
        typer.Option(
            help="What of a candidate is shown: response, reasoning, answer, tail:TOKENS.", rich_help_panel=SET
        ),
    ] = "response"

    def build(self) -> Recipe:
        """The recipe; raises `UsageError` where it is impossible."""
        from selfagg.cli.values import finite
        from selfagg.training.recipe import Recipe

        finite("--fraction", self.fraction)
        options = {field.name: getattr(self, field.name) for field in dataclasses.fields(Recipe)}
        return Recipe(**options | {"pool": self.k if self.pool is None else self.pool})


@spread
def data(
    problems: Annotated[
        list[str],
        typer.Option(
            help="A benchmark (deepscaler), reasoning_gym:TASK\\[,TASK...], or a file; several times for a mixture.",
            rich_help_panel=QUESTIONS,
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The folder of the set: a new one, or one to go on with.", rich_help_panel=SET)
    ],
    questions: QuestionOptions,
    recipe: RecipeOptions,
    model: ModelOptions,
    sampling: SamplingOptions,
    code: CodeOptions,
    reuse: Annotated[
        Path | None,
        typer.Option(
            metavar="RECORD",
            help="Another set's folder, or a record, whose samples for the same problems serve here too.",
            rich_help_panel=RUN,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a training set: plain problems, and problems with candidates of the model that is to be trained.

    Candidates are recorded as they come: the same command goes on where it stopped, and asks for nothing twice.
    """
    from rich.console import Console

    from selfagg.analysis.missing import Missing
    from selfagg.cli import stopping
    from selfagg.cli.code import prepare_code
    from selfagg.cli.problems import load_problems
    from selfagg.models import connect
    from selfagg.training.data import CANDIDATES, NO_MODEL, DataPlan, finished_set

    made_of = recipe.build()
    settings = sampling.settings(recipe.candidate)
    console = Console(stderr=True)
    with console.status("loading the problems ..."):
        loaded = load_problems(problems, questions)
    asked = made_of.fraction > 0 or made_of.max_prompt_tokens is not None
    name = connect(model.model, model.access()).name if asked else NO_MODEL
    plan = DataPlan(loaded, made_of, settings, name, told={"command": stopping.command_line()})
    facts = finished_set(out, plan)
    if facts is not None:
        say(f"{out} holds this very set already; nothing is made again", console)
    else:
        prepare_code(code, loaded.questions, console)
        reused = reuse / CANDIDATES if reuse is not None and reuse.is_dir() else reuse
        facts = stopping.run(_make(out, plan, model if asked else None, reused, console), out)
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
    else:
        results().print(_told(facts, out), markup=False, highlight=False, soft_wrap=True)
    if facts["candidates"]:
        stopping.check_complete(Missing.read(facts["candidates"]["missing"]), out)


async def _make(
    out: Path, plan: DataPlan, options: ModelOptions | None, reused: Path | None, console: Console
) -> dict[str, Any]:
    from selfagg.cli.live_view import shown
    from selfagg.cli.opening import opened_model
    from selfagg.cli.progress import Progress
    from selfagg.training.data import make_set

    told: list[Path | None] = []

    @contextmanager
    def watching(method: Majority, record: Record, problems: int) -> Iterator[Callback]:
        progress = Progress([method.n], problems)
        progress.resume(record)
        if progress.done < progress.size:
            if not told:
                told.append(record.path)
                say(f"record {record.path}", console)
            with shown(progress, method, plan.problems.source, plan.model, console):
                yield progress
        else:
            yield progress  # an earlier session has done it

    if options is None:
        return await make_set(out, plan)
    async with opened_model(options, console) as model:
        return await make_set(out, plan, model, concurrency=options.concurrency, reused=reused, watching=watching)


def _told(facts: dict[str, Any], out: Path) -> str:
    from selfagg.analysis.missing import Missing
    from selfagg.cli.live_view import described_model
    from selfagg.cli.tables import interval, percent

    rows, pool = facts["rows"], facts["candidates"]
    lines = [
        f"training set {out}: {rows['plain'] + rows['aggregation']:,} prompts "
        f"({rows['plain']:,} plain, {rows['aggregation']:,} aggregation), {rows['test']:,} test"
    ]
    if pool is not None:
        lines.append(f"candidates  {pool['replies']:,} of {described_model(facts['settings']['model'])}")
        if pool["pass_at_1"] is not None:
            lines.append(f"pass@1      {percent(pool['pass_at_1'])} (95 % interval {interval(pool['interval'])})")
        lines.append(f"right of K  {', '.join(f'{c}: {number:,}' for c, number in facts['by_c'].items())}")
        missing = Missing.read(pool["missing"])
        lines.append(f"tokens      {missing.tokens_words(pool['tokens'])}")
        lines += [f"{word:<11} {sentence}" for word, sentence in missing.lines() if word != "tokens"]
    lines.append(f"card        {out / 'README.md'}")
    return "\n".join(lines)
