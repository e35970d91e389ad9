"""Majority voting: groups of equal answers, the largest first."""

from __future__ import annotations

from collections.abc import Sequence

from selfagg.scoring.base import Scorer
from selfagg.types import Member, Question


async def majority(scorer: Scorer, question: Question, members: Sequence[Member]) -> list[list[Member]]:
    """Group the members whose answers are the same.

    Args:
        scorer: Says which answers are the same.
        question: What they answer.
        members: In the order that breaks ties; their `Member.answer` has been read. Those without an answer do
            not vote.

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


def winner(groups: Sequence[Sequence[Member]]) -> Member | None:
    """Return the earliest member of the largest group, or None where nobody voted."""
    return groups[0][0] if groups else None
