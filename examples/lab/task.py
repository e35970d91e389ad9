"""The task of the lab: find the start of a walk.

A rule sends every place to another one (a permutation, fixed for a world). A problem names a few rules and a goal: from
which place do the rules, one after another, lead there? The response is the whole walk, and ends by repeating its
start, e.g. ``p3 p7 g1 p3`` (from place 3 over 7 to goal 1).

Walking is easy, a step at a time. Finding the start means walking backwards in the head, before the first word: hard
for a shallow model from two rules on, a mere look-up with one. Checking a candidate is reading whether it ends at the
goal. So the task has what aggregation lives on, a gap between finding and checking, and the number of rules sets it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from selfagg.run.subsets import address_random
from selfagg.types import Member, Question, Reply

Walk = tuple[int, ...]
"""The places of a walk, from its start to where it ends."""


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        rules: Which rules are applied, in this order.
        goal: Where the walk is to end.
    """

    rules: tuple[int, ...]
    goal: int


@dataclass(frozen=True)
class World:
    """Places and rules.

    Attributes:
        places: How many places there are.
        rules: How many rules.
        steps: Rules of a problem.
        seed: Decides the rules.
    """

    places: int = 10
    rules: int = 8
    steps: int = 2
    seed: int = 0

    @cached_property
    def moves(self) -> tuple[tuple[int, ...], ...]:
        """For each rule, where it leads from each place."""
        drawn = address_random(self.seed, "lab", "rules")
        return tuple(tuple(drawn.sample(range(self.places), self.places)) for _ in range(self.rules))

    @cached_property
    def problems(self) -> list[Problem]:
        """All there are."""
        sequences = itertools.product(range(self.rules), repeat=self.steps)
        return [Problem(rules, goal) for rules in sequences for goal in range(self.places)]

    def walk(self, rules: Sequence[int], start: int) -> Walk:
        """Follows the rules."""
        walk = [start]
        for rule in rules:
            walk.append(self.moves[rule][walk[-1]])
        return tuple(walk)

    def solution(self, problem: Problem) -> Walk:
        """The one walk that ends at the goal: rules are permutations."""
        walks = (self.walk(problem.rules, start) for start in range(self.places))
        return next(walk for walk in walks if walk[-1] == problem.goal)

    def attempt(self, problem: Problem, drawn: random.Random) -> Walk:
        """A walk by the rules from a place at random: an honest try without any search."""
        return self.walk(problem.rules, drawn.randrange(self.places))

    def failed_attempt(self, problem: Problem, drawn: random.Random) -> Walk:
        """An attempt that misses the goal."""
        while (walk := self.attempt(problem, drawn))[-1] == problem.goal:
            pass
        return walk

    def question(self, problem: Problem) -> Question:
        """The problem as every part of the project takes it.

        The goal is the instruction, which prompts repeat at their very end; right is the whole walk, word for word.
        """
        rules = " ".join(f"r{rule}" for rule in problem.rules)
        return Question(
            id=f"{rules.replace(' ', '-')}-g{problem.goal}",
            text=f"rules {rules}",
            instruction=f"goal g{problem.goal}",
            gold=written(self.solution(problem)),
        )

    def split(self, held_out: int, seed: int) -> tuple[list[Problem], list[Problem]]:
        """Problems to learn from, supervised and by reinforcement, and others that are kept for the evaluations."""
        shuffled = address_random(seed, "lab", "held out").sample(self.problems, len(self.problems))
        return shuffled[held_out:], shuffled[:held_out]

    @property
    def words(self) -> list[str]:
        """All that a model of this world can read and write."""
        rules = [f"r{rule}" for rule in range(self.rules)]
        places = [f"p{place}" for place in range(self.places)]
        ends = [f"g{place}" for place in range(self.places)]
        return ["rules", "goal", *rules, *places, *ends]


def written(walk: Walk) -> str:
    """A walk as a response. Its end has a word of its own, and its start is said again as the answer."""
    *places, end = walk
    return " ".join([*(f"p{place}" for place in places), f"g{end}", f"p{walk[0]}"])


def candidate(place: int, walk: Walk) -> Member:
    """A walk as a member of a population, for prompts."""
    return Member(1, place, reply=Reply(written(walk)))
