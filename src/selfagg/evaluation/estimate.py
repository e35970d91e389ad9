"""Estimate the cost of runs before any model is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from selfagg.analysis.costs import Cost
from selfagg.benchmarks.base import Size
from selfagg.benchmarks.given import Questions, QuestionSet, question_set
from selfagg.evaluation.contenders import (
    Contender,
    Lengths,
    Match,
    Preset,
    contenders,
    expected_cost,
    expected_tokens,
    matched,
)
from selfagg.methods import RSA
from selfagg.methods.base import Method
from selfagg.models.base import text_bytes
from selfagg.prompts import aggregation, first, verification
from selfagg.prompts.fit import DEFAULT_MAX_TOKENS
from selfagg.prompts.prompt import Prompt
from selfagg.types import Member, Question

BYTES_PER_TOKEN = 4
"""The assumed bytes of a token of a prompt, as English text has it in common vocabularies."""


@dataclass(frozen=True)
class ExpectedCosts:
    """The result of `estimate_costs`.

    Attributes:
        methods: The methods, at their budget.
        costs: Calls and tokens of each, over all questions and seeds.
        total: Calls and tokens of all together; they share their first samples.
        source: The origin of the questions, in words.
        questions: Number of questions.
        seeds: Runs of each method.
        reply_tokens: Tokens that a reply is taken to have.
        question_tokens: Tokens of a question's own prompt, on average.
    """

    methods: Sequence[Method]
    costs: Sequence[Cost]
    total: Cost
    source: str
    questions: int
    seeds: int
    reply_tokens: int
    question_tokens: float

    @classmethod
    def of(cls, asked: QuestionSet, methods: Sequence[Method], reply_tokens: int, seeds: int = 1) -> ExpectedCosts:
        """Return the costs of methods that are run as they are; the largest first population serves all."""
        total = Cost()
        for place, method in enumerate(sorted(methods, key=lambda method: -method.size(1))):
            total += run_cost(method, asked.questions, reply_tokens, firsts=0 if place else None)
        costs = [_times(run_cost(method, asked.questions, reply_tokens), seeds) for method in methods]
        prompt, number = expected_lengths(asked.questions, reply_tokens).prompt, len(asked.questions)
        return cls(methods, costs, _times(total, seeds), asked.source, number, seeds, reply_tokens, prompt)

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``--dry-run --json`` prints."""
        each = zip(self.methods, self.costs, strict=True)
        return {
            "dry_run": True,
            "at_most": any(method.compares for method in self.methods),
            "source": self.source,
            "questions": self.questions,
            "seeds": self.seeds,
            "reply_tokens": self.reply_tokens,
            "question_tokens": self.question_tokens,
            "methods": [{**method.settings(), **_rounded(cost)} for method, cost in each],
            "total": _rounded(self.total),
        }


def estimate_costs(
    questions: Questions,
    methods: str | Method | Sequence[str | Method] = RSA.name,
    *,
    sizes: Mapping[str, Any] | None = None,
    preset: Preset | None = None,
    match: Match = "none",
    seeds: int = 1,
    reply_tokens: int = DEFAULT_MAX_TOKENS,
    size: Size = None,
) -> ExpectedCosts:
    """Estimate calls and tokens of methods on questions, without a model.

    Args:
        questions: A source, or the questions; see `selfagg.aevaluate`.
        methods: One method or several, as for `selfagg.acompare`, as ``sizes``, ``preset``, ``match`` and ``seeds``.
        sizes: Settings for the methods that are named.
        preset: Sizes by one word.
        match: The budget that the methods share.
        seeds: Runs of each method.
        reply_tokens: Tokens that a reply is taken to have, shown whole to every aggregation.
        size: Number of questions to take.

    Raises:
        UsageError: There is no such method or source, or a setting cannot work.
    """
    asked = question_set(questions, size=size)
    found = contenders([methods] if isinstance(methods, str | Method) else methods, sizes, preset)
    return ExpectedCosts.of(asked, matched_by_estimate(asked, found, match, reply_tokens), reply_tokens, seeds)


def matched_by_estimate(asked: QuestionSet, found: Sequence[Contender], match: Match, reply: int) -> list[Method]:
    """Return the methods at one budget; tokens follow from the lengths to expect."""
    lengths = expected_lengths(asked.questions, reply)
    return matched(found, match, expected_tokens(found[0].method, lengths), lengths)


def expected_lengths(questions: Sequence[Question], reply: float) -> Lengths:
    """Return the mean prompt of a first sample, measured on the questions, and the given length of a reply."""
    return Lengths(fmean(_tokens(first(question)) for question in questions), reply)


def run_cost(method: Method, questions: Iterable[Question], reply: float, firsts: int | None = None) -> Cost:
    """Return calls and tokens of a run over all questions, whose own prompts are measured; see `expected_cost`."""
    total, member = Cost(), Member(1, 0)
    for question in questions:
        lengths = Lengths(
            _tokens(first(question)),
            reply,
            _tokens(aggregation(question, [member] * method.parents)),
            _tokens(verification(question, member)),
        )
        total += expected_cost(method, lengths, firsts)
    return total


def _tokens(prompt: Prompt) -> float:
    """Return tokens of a prompt without what its candidates say."""
    return text_bytes(prompt.messages([""] * len(prompt.candidates))) / BYTES_PER_TOKEN


def _times(cost: Cost, seeds: int) -> Cost:
    return replace(cost, calls=cost.calls * seeds, prompt=cost.prompt * seeds, completion=cost.completion * seeds)


def _rounded(cost: Cost) -> dict[str, int]:
    return {"calls": round(cost.calls), "prompt": round(cost.prompt), "completion": round(cost.completion)}
