"""Settings that give several methods the same budget, for a fair comparison."""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from selfagg.analysis.costs import costs_by_question, mean_cost
from selfagg.analysis.missing import UNTOLD, Missing
from selfagg.errors import UsageError
from selfagg.methods.base import Method
from selfagg.record.record import Record

LARGEST = 1_000_000
"""A size beyond any budget, to search below."""

JUDGEMENT_TOKENS = 10
"""Most tokens of a verdict or a grade."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean lengths in tokens, measured on a run.

    Attributes:
        prompt: Prompt of a first sample.
        reply: A reply.
    """

    prompt: float
    reply: float


def measured_lengths(record: Record) -> Lengths:
    """Return the mean lengths of a record's calls whose server told their tokens.

    Raises:
        UsageError: It has no reply, or the server told no tokens.
    """
    ((prompt, reply),) = record.query(
        "SELECT avg(CASE WHEN t = 1 THEN prompt_tokens END), avg(completion_tokens) "  # noqa: S608 - constants
        f"FROM generations WHERE role = 'candidate' AND error IS NULL AND tries > 0 AND NOT {UNTOLD}"
    )
    if prompt is None or reply is None:
        untold = dict(Missing.of(record).lines()).get("tokens")
        why = f"they are {untold}: use --match calls" if untold else "there is no reply to measure lengths on"
        raise UsageError(f"record {record.path}: tokens cannot be matched, since {why}")
    return Lengths(prompt, reply)


def measured_tokens(record: Record) -> float:
    """Return the mean tokens of a question; calls whose tokens nobody reported are taken to be like the others."""
    cost = mean_cost(costs_by_question(record).values())
    told = cost.calls - cost.without_usage
    return (cost.tokens or 0.0) * cost.calls / told if told else 0.0


def measured_calls(record: Record) -> int:
    """Return the mean calls of a question, rounded: what a method that stops or copies really made."""
    return round(mean_cost(costs_by_question(record).values()).calls)


def expected_tokens(method: Method, lengths: Lengths) -> float:
    """Return the prompt and completion tokens of a method for one question; stopping and copying need fewer.

    An aggregation's prompt is a first prompt and its candidates; a judge's is a first prompt and one of them.
    """
    firsts = method.size(1) * (lengths.prompt + lengths.reply)
    aggregation = lengths.prompt + (method.parents + 1) * lengths.reply
    judged = method.judgements * method.size(method.t)
    later = method.calls - method.size(1) - judged
    return firsts + later * aggregation + judged * (lengths.prompt + lengths.reply + JUDGEMENT_TOKENS)


def at_calls(method: Method, calls: int) -> Method:
    """Return the method, as large as it can be without making more than ``calls`` calls."""
    return _largest(method, lambda resized: resized.calls, calls)


def at_tokens(method: Method, tokens: float, lengths: Lengths) -> Method:
    """Return the method, as large as it can be with at most ``tokens`` expected tokens a question."""
    return _largest(method, lambda resized: expected_tokens(resized, lengths), tokens)


def _largest(method: Method, cost: Callable[[Method], float], budget: float) -> Method:
    least = method.parents if method.grows == "n" else 1  # a population holds an aggregation set
    sizes = range(least, LARGEST)
    fitting = bisect_right(sizes, budget, key=lambda size: cost(_resized(method, size)))
    return _resized(method, sizes[max(fitting - 1, 0)])


def _resized(method: Method, size: int) -> Method:
    return dataclasses.replace(method, n=size) if method.grows == "n" else dataclasses.replace(method, t=size)
