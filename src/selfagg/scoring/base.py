"""The interface of a scorer, and what is done with one: reading and scoring a reply, and a vote.

A scorer reads the final answer off a response, judges it, and compares it with another.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from selfagg.scoring.code_blocks import before_open_block
from selfagg.scoring.extract import last_answer_tag, last_box
from selfagg.types import Kind, Member, Question, Reply, Stop

_SCORERS: dict[Kind, str] = {
    "math": "selfagg.scoring.math:MathScorer",
    "choice": "selfagg.scoring.choice:ChoiceScorer",
    "reasoning_gym": "selfagg.scoring.reasoning_gym:ReasoningGymScorer",
    "code": "selfagg.scoring.code:CodeScorer",
    "text": "selfagg.scoring.text:TextScorer",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer a response gives and what it is worth.

    Attributes:
        answer: The final answer, or None if the response gives none.
        score: 1.0 right, 0.0 wrong, between them partial credit; None where the question has no gold answer, or where
            the check failed.
        note: Reason for a missing score (a time limit, a checker that failed), else ``""``.
    """

    answer: str | None
    score: float | None = None
    note: str = ""


class Scorer(Protocol):
    """The scoring of one kind of question; a file of this package each. Safe to call from many tasks at once."""

    def answer(self, question: Question, text: str) -> str | None:
        """Return the final answer that a response states, or None. Cheap; must never raise."""
        ...

    async def score(self, question: Question, text: str) -> Verdict:
        """Score one response. Must never raise for what a model wrote."""
        ...

    async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
        """Group equal answers: for each, the position of the first answer equal to it."""
        ...


@functools.cache
def scorer_for(kind: Kind) -> Scorer:
    """Return the scorer of a kind of question: one for the whole process, its module loaded when first asked for."""
    module, _, name = _SCORERS[kind].partition(":")
    return cast(Scorer, getattr(importlib.import_module(module), name)())


def first_equal(keys: Sequence[str]) -> list[int]:
    """Return, for each key, the position of the first equal one."""
    first: dict[str, int] = {}
    return [first.setdefault(key, position) for position, key in enumerate(keys)]


def stated_answer(question: Question, reply: Reply, scorer: Scorer | None = None) -> str | None:
    """Return the final answer that a reply states, or None; ``scorer`` None: that of the question's kind."""
    return (scorer or scorer_for(question.kind)).answer(question, _finished_part(question, reply))


async def score_reply(question: Question, reply: Reply, scorer: Scorer | None = None) -> Verdict:
    """Score one reply; one that states no answer scores what an empty response scores.

    A scorer that a user gives sees the whole reply, and decides itself what of it counts.

    Raises:
        SelfaggError: The question cannot be scored here: its data is broken, or a check cannot be run at all.
    """
    text = _finished_part(question, reply)
    if scorer is not None:
        verdict = await scorer.score(question, reply.text)
        return verdict if text == reply.text else replace(verdict, answer=scorer.answer(question, text))
    scorer = scorer_for(question.kind)
    if scorer.answer(question, text) is not None:
        return await scorer.score(question, text)
    return replace(await scorer.score(question, ""), answer=None)


def _finished_part(question: Question, reply: Reply) -> str:
    """Return the text that an answer may be read from: of a reply that was cut, only what it had finished.

    The end of a cut reply is no final statement: an answer in tags or in a box counts, the last words do not, nor does
    a program whose code block is still open.
    """
    if reply.stop not in (Stop.LENGTH, Stop.FILTERED):
        return reply.text
    if question.kind == "code":
        return before_open_block(reply.text)
    marked = last_answer_tag(reply.text) or (question.kind == "choice" and last_box(reply.text))
    return reply.text if marked or question.kind == "math" else ""


async def majority(scorer: Scorer, question: Question, members: Sequence[Member]) -> list[list[Member]]:
    """Group the members whose answers are the same; those without an answer do not vote.

    Returns:
        The groups, the largest first; of groups of one size the one with the earliest member first, and members
        within a group in the order given. Their number is the number of distinct answers.
    """
    voters = [(member, member.answer) for member in members if member.answer is not None]
    firsts = await scorer.same(question, [answer for _, answer in voters])
    groups: dict[int, list[Member]] = {}
    for (member, _), first in zip(voters, firsts, strict=True):
        groups.setdefault(first, []).append(member)
    return sorted(groups.values(), key=len, reverse=True)  # stable: ties stay in the order of first members


def incomparable(question: Question) -> str:
    """Return why the answers to a question cannot be compared in a vote, or ``""`` if they can be."""
    if question.kind == "code":
        return "programs are compared by their text, and two right ones hardly ever have the same"
    asked = f"{question.text}{question.instruction or ''}{json.dumps(question.context)}"
    if question.kind == "text" and question.gold is None and "<answer>" not in asked:
        return "free text has no marked answer, and two responses hardly ever have the same words"
    return ""
