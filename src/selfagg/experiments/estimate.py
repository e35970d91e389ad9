"""What a run would cost, before any model is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from selfagg.analysis.costs import Cost
from selfagg.experiments.budget import JUDGEMENT_TOKENS, Lengths
from selfagg.methods.base import Method
from selfagg.models.base import text_bytes
from selfagg.prompts import aggregation, first, verification
from selfagg.prompts.prompt import Prompt
from selfagg.types import Member, Question

BYTES_PER_TOKEN = 4
"""What a token of a prompt is taken to hold, as English text has it in common vocabularies."""


def expected_lengths(questions: Sequence[Question], reply: float) -> Lengths:
    """Mean prompt of a first sample, measured on the questions, and a reply's length, as given."""
    return Lengths(fmean(_tokens(first(question)) for question in questions), reply)


def expected_cost(method: Method, questions: Iterable[Question], reply: float, firsts: int | None = None) -> Cost:
    """Return calls and tokens of a run over all questions.

    Args:
        method: The method; every member is computed, each candidate shown whole.
        questions: The questions; their own prompts are measured.
        reply: Tokens of a reply.
        firsts: First samples of a question that have to be asked for; None: all, none comes from another run.
    """
    total = Cost()
    for question in questions:
        total += _question(method, question, reply, method.size(1) if firsts is None else firsts)
    return total


def _question(method: Method, question: Question, reply: float, firsts: int) -> Cost:
    candidate = Member(1, 0)
    later = sum(method.size(t) for t in range(2, method.t + 1))
    judged = method.judgements * method.size(method.t)
    prompt = firsts * _tokens(first(question))
    if later:
        candidates = [candidate] * method.parents
        prompt += later * (_tokens(aggregation(question, candidates)) + method.parents * reply)
    if judged:
        prompt += judged * (_tokens(verification(question, candidate)) + reply)
    return Cost(
        calls=firsts + later + judged,
        prompt=prompt,
        completion=(firsts + later) * reply + judged * JUDGEMENT_TOKENS,
    )


def _tokens(prompt: Prompt) -> float:
    """Return tokens of a prompt without what its candidates say."""
    return text_bytes(prompt.messages([""] * len(prompt.candidates))) / BYTES_PER_TOKEN
