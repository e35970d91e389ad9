"""``--dry-run``: print what a command would cost, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from selfagg.terminal import print_result

if TYPE_CHECKING:
    from selfagg.benchmarks.given import QuestionSet
    from selfagg.evaluation.estimate import ExpectedCosts
    from selfagg.methods import Method


def print_costs(
    methods: Sequence[Method], asked: QuestionSet, reply: int, *, seeds: int = 1, as_json: bool = False, note: str = ""
) -> None:
    """Print calls and tokens of each method, and of all together where they share their first samples.

    Args:
        methods: Each is run with each seed.
        asked: The questions.
        reply: Tokens of a reply.
        seeds: Number of seeds.
        as_json: True prints one JSON object instead.
        note: A further assumption, as a sentence.
    """
    from selfagg.evaluation.estimate import ExpectedCosts

    found = ExpectedCosts.of(asked, methods, reply, seeds)
    print_result(found.to_dict(), lambda _: _table(found, note), as_json=as_json)


def _table(found: ExpectedCosts, note: str) -> Any:
    from rich.console import Group
    from rich.text import Text

    from selfagg.analysis.labels import named
    from selfagg.cli.tables import Columns, table
    from selfagg.evaluation.estimate import BYTES_PER_TOKEN

    rows = [
        (named(method.settings()), method.calls, cost) for method, cost in zip(found.methods, found.costs, strict=True)
    ]
    if len(rows) > 1:
        each = found.total.calls / (found.seeds * found.questions)
        rows.append(("all, first samples shared", round(each), found.total))
    columns: Columns = {
        "method": lambda row: row[0],
        "a question": lambda row: f"{row[1]:,}",
        "calls": lambda row: f"{row[2].calls:,.0f}",
        "prompt tokens": lambda row: f"{row[2].prompt:,.0f}",
        "completion tokens": lambda row: f"{row[2].completion:,.0f}",
    }
    seeds = "1 seed" if found.seeds == 1 else f"{found.seeds} seeds"
    lines = [
        f"A question's prompt has {found.question_tokens:,.0f} tokens on average, {BYTES_PER_TOKEN} bytes a token.",
        f"A reply is taken to have {found.reply_tokens:,} tokens (--expect-tokens), shown whole to every aggregation.",
        *(["At most: what stops or copies makes fewer calls, as the answers have it."] * found.to_dict()["at_most"]),
        *filter(None, [note]),
    ]
    return Group(
        Text(f"Dry run: {found.source}, {seeds}; no model is asked", "bold"),
        table(columns, rows),
        Text("\n".join(["", *lines])),
    )
