"""``selfagg solve``: one question in, one better answer out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from selfagg.cli.generate import command
from selfagg.cli.options import MethodChoice, ModelChoice, RunOptions
from selfagg.run.engine import Settings
from selfagg.types import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.api import Result


@command
def solve(
    question: str,
    *,
    method: MethodChoice,
    model: ModelChoice,
    settings: Settings,
    run: RunOptions,
    kind: Kind = "text",
    max_total_tokens: int | None = None,
    deadline: float | None = None,
) -> None:
    """Answer one question; the response goes to stdout, the rest to stderr.

    Args:
        question: The problem's text; - reads it from stdin.
        kind: The kind of the question: decides the wording and the reading of the final answer.
        max_total_tokens: Tokens, prompts included, after which the best answer at hand is taken.
        deadline: Seconds after which the best answer at hand is taken.
    """
    import asyncio
    import json

    from rich.console import Console

    from selfagg.api import asolve
    from selfagg.cli import stopping, values
    from selfagg.cli.opening import run_opened
    from selfagg.cli.records import record_file
    from selfagg.errors import UsageError
    from selfagg.progress_bar import ProgressBar

    text = values.utf8("stdin", sys.stdin.buffer.read()) if question == "-" else values.utf8("QUESTION", question)
    if not text.strip():
        raise UsageError("the question is empty")
    chosen = method.build()
    asked = {"method": chosen, "kind": kind, "answer": getattr(chosen, "answer", None)}
    console = Console(stderr=True)
    bar = ProgressBar(console, sizes=asyncio.run(_sizes(text, method, settings, asked)))
    with record_file(run.record, "solve", method.method) as path:
        given = {**asked, "question": text, "record": path, "callback": bar}
        given |= {"max_total_tokens": max_total_tokens, "deadline_s": deadline}
        result = stopping.run(run_opened(asolve, model, settings, method.schedule, console, **given), path)
    if run.as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        _print(result, model.model, console, budget=max_total_tokens is not None)


async def _sizes(text: str, method: MethodChoice, settings: Settings, asked: Mapping[str, Any]) -> list[int]:
    """Return the number of members that the answer needs: no reply changes it, so no model is called."""
    from selfagg.api import asolve

    plan = await asolve(text, model="simulated:", seed=settings.seed, schedule=method.schedule, **asked)
    # A rule to stop needs whole populations, as many as there may be; it may end the simulation and not the run.
    whole = [plan.method.size(t) for t in range(1, plan.method.t + 1)]
    return whole if plan.method.rule else [len(population) for population in plan.populations]


def _print(result: Result, model: str, console: Console, *, budget: bool) -> None:
    from selfagg.analysis.missing import usage_json
    from selfagg.progress_bar import described_model
    from selfagg.terminal import harmless, one_line, say

    print(harmless(result.text) if sys.stdout.isatty() else result.text)
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
