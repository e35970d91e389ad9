"""The task of the lab: find the starts of walks.

A rule sends every place to another one (a permutation, fixed for a world). A problem names a few rules and some goals:
from which places do the rules, one after another, lead there? The response is a walk to each goal. A walk begins with
its goal and ends by repeating its start, e.g. ``t1 p3 p7 g1 p3 t4 p2 p0 g8 p2``: to place 1 from place 3 over 7, which
is right, and to place 4 from place 2 over 0, which ends at 8 and is wrong.

Walking is easy, a step at a time. Finding the start means walking backwards in the head, before the first word: hard
for a shallow model from two rules on, a mere look-up with one. Checking a candidate is reading where its walks end. So
the task has what aggregation lives on, a gap between finding and checking, and the number of rules sets it. With
several goals an answer can be right in part, a walk that misses its own goal may have found another one, and a right
answer can be put together from wrong ones.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from selfagg.run.subsets import address_random
from selfagg.types import Member, Question, Reply

Walk = tuple[int, ...]
"""The places of a walk, from its start to where it ends."""

Rules = tuple[int, ...]
"""Which rules are applied, in this order."""


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        rules: Which rules are applied, in this order.
        goals: Where the walks are to end, one after another.
    """

    rules: tuple[int, ...]
    goals: tuple[int, ...]


@dataclass(frozen=True)
class World:
    """Places and rules.

    Attributes:
        places: How many places there are.
        rules: How many rules.
        steps: Rules of a problem.
        goals: Goals of a problem.
        regions: No rule leads from one region into another; the places of a region are those that leave the same
            remainder when divided by their number.
        seed: Decides the rules.
    """

    places: int = 10
    rules: int = 8
    steps: int = 2
    goals: int = 3
    regions: int = 2
    seed: int = 0

    @cached_property
    def moves(self) -> tuple[tuple[int, ...], ...]:
        """For each rule, where it leads from each place."""
        drawn = address_random(self.seed, "lab", "rules")
        moves = []
        for _ in range(self.rules):
            leads: dict[int, int] = {}
            for region in (range(first, self.places, self.regions) for first in range(self.regions)):
                leads.update(zip(region, drawn.sample(region, len(region)), strict=True))
            moves.append(tuple(leads[place] for place in range(self.places)))
        return tuple(moves)

    def walk(self, rules: Sequence[int], start: int) -> Walk:
        """Follows the rules."""
        walk = [start]
        for rule in rules:
            walk.append(self.moves[rule][walk[-1]])
        return tuple(walk)

    def solution(self, problem: Problem) -> list[Walk]:
        """The one walk to each goal: rules are permutations."""
        walks = {walk[-1]: walk for walk in (self.walk(problem.rules, start) for start in range(self.places))}
        return [walks[goal] for goal in problem.goals]

    def attempt(self, problem: Problem, drawn: random.Random) -> list[Walk]:
        """For each goal a walk by the rules from a place at random: an honest try without any search."""
        return [self.walk(problem.rules, drawn.randrange(self.places)) for _ in problem.goals]

    def failed_attempt(self, problem: Problem, drawn: random.Random) -> list[Walk]:
        """An attempt that finds no goal, not even another's."""
        starts = {walk[0] for walk in self.solution(problem)}
        others = [place for place in range(self.places) if place not in starts]
        return [self.walk(problem.rules, drawn.choice(others)) for _ in problem.goals]

    def question(self, problem: Problem) -> Question:
        """The problem as every part of the project takes it.

        The goals are the instruction, which prompts repeat at their very end; right is the whole response, word for
        word.
        """
        rules = " ".join(f"r{rule}" for rule in problem.rules)
        goals = " ".join(f"t{goal}" for goal in problem.goals)
        return Question(
            id=f"{rules} {goals}".replace(" ", "-"),
            text=f"rules {rules}",
            instruction=f"goals {goals}",
            gold=written(problem, self.solution(problem)),
        )

    @cached_property
    def sequences(self) -> tuple[list[Rules], list[Rules]]:
        """Rules of problems to learn from, supervised and by reinforcement, and others that are kept for evaluations.

        A quarter is kept; where there are fewer than ten, all are both.
        """
        sequences = list(itertools.product(range(self.rules), repeat=self.steps))
        shuffled = address_random(self.seed, "lab", "held out").sample(sequences, len(sequences))
        kept = len(shuffled) // 4
        return (shuffled, shuffled) if len(shuffled) < 10 else (shuffled[kept:], shuffled[:kept])

    def problem(self, drawn: random.Random, *, held_out: bool = False) -> Problem:
        """A problem by rules to learn from, or by those kept for evaluations."""
        goals = drawn.sample(range(self.places), self.goals)
        return Problem(drawn.choice(self.sequences[held_out]), tuple(goals))

    def problems(self, number: int, *, held_out: bool = False) -> list[Problem]:
        """Different problems, or all where there are fewer; which ones, the seed decides."""
        drawn = address_random(self.seed, "lab", "problems", int(held_out))
        found: dict[Problem, None] = {}
        there_are = len(self.sequences[held_out]) * math.perm(self.places, self.goals)
        while len(found) < min(number, there_are):
            found[self.problem(drawn, held_out=held_out)] = None
        return [*found]

    @property
    def length(self) -> int:
        """Words of a response."""
        return self.goals * (self.steps + 3)

    @property
    def words(self) -> list[str]:
        """All that a model of this world can read and write."""
        rules = [f"r{rule}" for rule in range(self.rules)]
        places = [f"p{place}" for place in range(self.places)]
        ends = [f"g{place}" for place in range(self.places)]
        goals = [f"t{place}" for place in range(self.places)]
        return ["rules", "goals", *rules, *places, *ends, *goals]


def written(problem: Problem, walks: Sequence[Walk]) -> str:
    """Walks as a response. The end of each has a word of its own, and its start is said again as the answer."""
    words = []
    for goal, (*places, end) in zip(problem.goals, walks, strict=True):
        words += [f"t{goal}", *(f"p{place}" for place in places), f"g{end}", f"p{places[0]}"]
    return " ".join(words)


def by_goal(response: str) -> list[str]:
    """The walks of a response, as it says them."""
    return [walk.strip() for walk in re.findall("t[^t]*", response)]


def share_right(response: str, gold: str) -> float:
    """Return which share of the goals a response has right; none if it has not as many words as are right."""
    if len(response.split()) != len(gold.split()):
        return 0.0
    walks = by_goal(response)
    return fmean(walk in walks for walk in by_goal(gold))


def candidate(place: int, problem: Problem, walks: Sequence[Walk]) -> Member:
    """Walks as a member of a population, for prompts."""
    return Member(1, place, reply=Reply(written(problem, walks)))
