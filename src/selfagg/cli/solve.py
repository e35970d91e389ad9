"""``selfagg solve``: one question in, one better answer out."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selfagg.cli.options import MethodOptions, ModelOptions, RunOptions, SamplingOptions, spread
from selfagg.types import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.api import Result


@spread
def solve(
    question: Annotated[str, typer.Argument(help="The problem's text; - reads it from stdin.")],
    method: MethodOptions,
    model: ModelOptions,
    sampling: SamplingOptions,
    run: RunOptions,
    kind: Annotated[
        Kind, typer.Option(help="What the question is: decides the wording, and how the final answer is read.")
    ] = "text",
    max_total_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens, prompts included, after which the best answer at hand is taken."),
    ] = None,
    deadline: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds after which the best answer at hand is taken.")
    ] = None,
) -> None:
    """Answer one question; the response goes to stdout, the rest to stderr."""
    from rich.console import Console

    from selfagg.cli import stopping, values
    from selfagg.cli.records import record_file
    from selfagg.errors import UsageError

    text = values.utf8("stdin", sys.stdin.buffer.read()) if question == "-" else values.utf8("QUESTION", question)
    if not text.strip():
        raise UsageError("the question is empty")
    settings = sampling.settings(method.candidate)
    asked: dict[str, Any] = {
        "method": method.method,
        "n": method.n,
        "k": method.k,
        "t": method.t,
        "order": method.order,
        "schedule": method.schedule,
        "candidate": method.candidate,
        "kind": kind,
        **method.adaptive,
        "sampling": settings.sampling,
        "seed": settings.seed,
        "max_total_tokens": max_total_tokens,
        "deadline_s": None if deadline is None else values.finite("--deadline", deadline),
    }
    console = Console(stderr=True)
    with record_file(run.record, "solve", replace(method, answer=None).build().name) as path:
        result = stopping.run(_solve(text, asked, model, path, run.record is None, console), path)
    if run.as_json:
        typer.echo(json.dumps(_as_json(result), ensure_ascii=False))
    else:
        _print(result, model.model, console, budget=max_total_tokens is not None)


async def _solve(
    text: str, asked: dict[str, Any], model: ModelOptions, path: Path, new: bool, console: Console
) -> Result:
    from selfagg.api import asolve
    from selfagg.cli.opening import opened_model
    from selfagg.cli.progress import Progress
    from selfagg.cli.terminal import say
    from selfagg.cli.view import shown

    # Which members an answer needs does not depend on what they say: a rehearsal without a model counts them.
    unbounded = asked | {"max_total_tokens": None, "deadline_s": None}
    plan = await asolve(text, model="simulated:", **unbounded)
    # A rule to stop needs whole populations, as many as there may be; it ends the rehearsal where it will not the run.
    sizes = [plan.method.size(t) for t in range(1, plan.method.t + 1)]
    progress = Progress(sizes if plan.method.rule else [len(population) for population in plan.populations], 1)
    async with opened_model(model, console) as connection:
        if new:
            say(f"record {path}", console)
        with shown(progress, plan.method, "one question", connection.name, console):
            return await asolve(
                text, model=connection, concurrency=model.concurrency, record=path, callback=progress, **asked
            )


def _as_json(result: Result) -> dict[str, Any]:
    from selfagg.analysis.missing import usage_json

    return {
        "answer": result.answer,
        "text": result.text,
        "method": result.method.name,
        "n": result.method.n,
        "k": getattr(result.method, "k", None),
        "t": result.method.t,
        "calls": result.calls,
        "copies": result.copies,
        "depth": result.member.t,
        "stopped": result.stopped,
        "usage": usage_json(result.usage, result.missing.replies),
        "failed": result.missing.failed,
        "cut_short": result.cut_short,
        "record": str(result.record),
    }


def _print(result: Result, model: str, console: Console, *, budget: bool) -> None:
    from selfagg.analysis.missing import usage_json
    from selfagg.cli.terminal import harmless, one_line, say
    from selfagg.cli.view import described_model

    typer.echo(harmless(result.text) if sys.stdout.isatty() else result.text)
    missing, estimated = result.missing, budget and result.usage.unknown > 0
    failed = f", {missing.failed:,} of {missing.members:,} members have no reply" if missing.failed else ""
    lines = [
        *(["cut short  the budget or the deadline ended the work: this is the best answer at hand"] * result.cut_short),
        f"answer     {one_line(result.answer, 200) if result.answer is not None else '(none)'}",
        f"model      {described_model(model)}",
        f"calls      {result.calls:,}{failed}",
        *([f"copies     {result.copies:,}, without a call"] * bool(result.copies)),
        *([f"stopped    after population {result.member.t}: its members agree"] * result.stopped),
        f"tokens     {missing.tokens_words(usage_json(result.usage, missing.replies))}",
        *(["budget     the tokens that the server did not tell are estimated"] * estimated),
        f"record     {result.record}",
    ]
    say("\n".join(lines), console)
