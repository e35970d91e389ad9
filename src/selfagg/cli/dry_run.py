"""``--dry-run``: what a command would cost, printed without a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from selfagg.benchmarks.given import QuestionSet
from selfagg.cli.options import DryRunOptions
from selfagg.cli.terminal import results, say, show

if TYPE_CHECKING:
    from selfagg.analysis.costs import Cost
    from selfagg.methods import Method


def reply_tokens(options: DryRunOptions, max_tokens: int | None) -> int:
    """Tokens that a reply is taken to have."""
    from selfagg.prompts.fit import DEFAULT_MAX_TOKENS

    return options.expect_tokens or max_tokens or DEFAULT_MAX_TOKENS


def print_costs(
    methods: Sequence[Method], asked: QuestionSet, reply: int, *, seeds: int = 1, as_json: bool = False, note: str = ""
) -> None:
    """Prints calls and tokens of each method, and of all together where they share their first samples.

    Args:
        methods: Each is run with each seed.
        asked: The questions.
        reply: Tokens of a reply.
        seeds: Number of seeds.
        as_json: Whether to print one JSON object instead.
        note: A further assumption, as a sentence.
    """
    from selfagg.experiments.estimate import BYTES_PER_TOKEN, expected_cost, expected_lengths

    costs = [_times(expected_cost(method, asked.questions, reply), seeds) for method in methods]
    total = _times(_shared(methods, asked, reply), seeds)
    prompt = expected_lengths(asked.questions, reply).prompt
    if as_json:
        typer.echo(json.dumps(_json(methods, costs, total, asked, reply, prompt, seeds), ensure_ascii=False))
        return
    from rich.text import Text

    console = results()
    console.print(Text(f"Dry run: {asked.source}, {_seeds(seeds)}; no model is asked", "bold"))
    show(_table(methods, costs, total, seeds * len(asked.questions)), console)
    console.print()
    say(f"A question's prompt has {prompt:,.0f} tokens on average, {BYTES_PER_TOKEN} bytes a token.", console)
    say(f"A reply is taken to have {reply:,} tokens (--expect-tokens), shown whole to every aggregation.", console)
    if any(method.compares for method in methods):
        say("At most: what stops or copies makes fewer calls, as the answers have it.", console)
    if note:
        say(note, console)


def _seeds(seeds: int) -> str:
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


def _shared(methods: Sequence[Method], asked: QuestionSet, reply: int) -> Cost:
    """Of all methods with one seed: the largest first population serves all."""
    from selfagg.analysis.costs import Cost
    from selfagg.experiments.estimate import expected_cost

    total = Cost()
    for place, method in enumerate(sorted(methods, key=lambda method: -method.size(1))):
        total += expected_cost(method, asked.questions, reply, firsts=0 if place else None)
    return total


def _times(cost: Cost, seeds: int) -> Cost:
    return replace(cost, calls=cost.calls * seeds, prompt=cost.prompt * seeds, completion=cost.completion * seeds)


def _table(methods: Sequence[Method], costs: Sequence[Cost], total: Cost, questions: int) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("method", overflow="fold")
    for name in ("a question", "calls", "prompt tokens", "completion tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    for method, cost in zip(methods, costs, strict=True):
        table.add_row(sized_name(method), f"{method.calls:,}", *_numbers(cost))
    if len(methods) > 1:
        table.add_row("all, first samples shared", f"{total.calls / questions:,.0f}", *_numbers(total), style="bold")
    return table


def _numbers(cost: Cost) -> list[str]:
    return [f"{value:,.0f}" for value in (cost.calls, cost.prompt, cost.completion)]


def sized_name(method: Method) -> str:
    """A method's name with its sizes."""
    from selfagg.analysis.labels import ALWAYS

    settings = method.settings()
    return " ".join([method.name, *(f"{key}={settings[key]}" for key in ALWAYS if key in settings)])


def _json(
    methods: Sequence[Method],
    costs: Sequence[Cost],
    total: Cost,
    asked: QuestionSet,
    reply: int,
    prompt: float,
    seeds: int,
) -> dict[str, Any]:
    def counted(cost: Cost) -> dict[str, int]:
        return {"calls": round(cost.calls), "prompt": round(cost.prompt), "completion": round(cost.completion)}

    return {
        "dry_run": True,
        "at_most": any(method.compares for method in methods),
        "source": asked.source,
        "questions": len(asked.questions),
        "seeds": seeds,
        "reply_tokens": reply,
        "question_tokens": prompt,
        "methods": [{**method.settings(), **counted(cost)} for method, cost in zip(methods, costs, strict=True)],
        "total": counted(total),
    }
