"""How one right answer was put together from wrong candidates, in words."""

from __future__ import annotations

from collections.abc import Sequence

from examples.lab.task import by_goal

from selfagg.api import Population
from selfagg.evaluation.evaluate import EvaluatedQuestion
from selfagg.types import Member

OWN, OTHERS = "*", "+"
"""Marks of a walk."""


def told(questions: Sequence[EvaluatedQuestion]) -> str:
    """Return the lineage of the first question that no sample solved and most members of the last population did."""
    for question in questions:
        first, last = question.populations[0], question.populations[-1]
        if _right(first) == 0 and 2 * _right(last) > len(last):
            return _lines(question)
    return "No question that no sample solved was solved by most members of the last population."


def goals_right(question: EvaluatedQuestion, member: Member) -> list[bool]:
    """Return for each goal of the question whether the member has it right."""
    parts = by_goal(member.text)
    return [part in parts for part in by_goal(str(question.question.gold))]


def _right(population: Population) -> int:
    return sum(member.right for member in population.values())


def _lines(question: EvaluatedQuestion) -> str:
    populations = question.populations
    lines = [
        f"How one question was solved: {question.question.text}, {question.question.instruction}",
        "(t1 p3 p7 g1 p3: to goal 1, from 3 over 7, ends at 1, so its start is 3; "
        f"{OWN} a walk that ends at its goal, {OTHERS} at another one)",
    ]
    for place, population in enumerate(populations):
        goals = [right for member in population.values() for right in goals_right(question, member)]
        lines.append(
            f"population {place + 1}: {_right(population)} of {len(population)} answers right, "
            f"{sum(goals)} of {len(goals)} goals"
        )
        if place and _right(population) and not _right(populations[place - 1]):
            solved = next(member for member in population.values() if member.right)
            lines += [f"    made from {_told(question, populations[place - 1][parent])}" for parent in solved.parents]
            lines.append(f"         into {_told(question, solved)}  RIGHT")
    return "\n".join(lines)


def _told(question: EvaluatedQuestion, member: Member) -> str:
    right = by_goal(str(question.question.gold))
    parts = (f"{part}{_mark(part, right)}" for part in by_goal(member.text))
    return f"#{member.i + 1:<3} {'  '.join(parts)}".rstrip()


def _mark(walk: str, right: Sequence[str]) -> str:
    """Whether the walk is right for its goal, or for another one of the question."""
    if walk in right:
        return OWN
    _, _, steps = walk.partition(" ")
    return OTHERS if any(steps == found.partition(" ")[2] for found in right) else " "
