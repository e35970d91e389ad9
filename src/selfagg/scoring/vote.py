"""Votes: the members grouped by equal answers, for the questions whose answers can be compared."""

from __future__ import annotations

import json
from collections.abc import Sequence

from selfagg.scoring.base import Scorer
from selfagg.types import Member, Question


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
    """Return why the answers to a question cannot be compared, or ``""`` if they can be."""
    if question.kind == "code":
        return "programs are compared by their text, and two right ones hardly ever have the same"
    asked = f"{question.text}{question.instruction or ''}{json.dumps(question.context)}"
    if question.kind == "text" and question.gold is None and "<answer>" not in asked:
        return "free text has no marked answer, and two responses hardly ever have the same words"
    return ""
