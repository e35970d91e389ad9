"""How one right answer came from candidates, in words."""

from __future__ import annotations

from collections.abc import Sequence

from selfagg.api import Population
from selfagg.evaluation.evaluate import EvaluatedQuestion
from selfagg.types import Member


def told(questions: Sequence[EvaluatedQuestion]) -> str:
    """Return the lineage of the first question whose one right sample became the right answer of most members."""
    for question in questions:
        first, last = question.populations[0], question.populations[-1]
        if _right(first) == 1 and 2 * _right(last) > len(last):
            return _lines(question)
    return "No question had one right sample that became the right answer of most members."


def path(populations: Sequence[Population], place: int) -> list[Member]:
    """Return a member of the last population and one ancestor in each before it, a right one where there is one."""
    found = [populations[-1][place]]
    for population in reversed(populations[:-1]):
        parents = [population[parent] for parent in found[-1].parents]
        found.append(next((parent for parent in parents if parent.right), parents[0]))
    return found[::-1]


def _right(population: Population) -> int:
    return sum(member.right for member in population.values())


def _lines(question: EvaluatedQuestion) -> str:
    asked, populations = question.question, question.populations
    solved = min(place for place, member in populations[-1].items() if member.right)
    lines = [f"How one question was solved: {asked.text} {asked.instruction} (right: {asked.gold})"]
    for place, member in enumerate(path(populations, solved)):
        population = populations[place]
        lines.append(f"population {place + 1}: {_right(population)} of {len(population)} right, e.g. {_told(member)}")
        if place:
            lines += [f"    made from {_told(populations[place - 1][parent])}" for parent in member.parents]
    return "\n".join(lines)


def _told(member: Member) -> str:
    return f"#{member.i + 1:<3} {member.answer}{'  RIGHT' if member.right else ''}"
