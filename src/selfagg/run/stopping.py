"""Rules that end a question before its last population, and rules for copied sets: pure functions of answers.

A rule sees answers alone: no clock, no order of arrival. So a run that was killed, one of another concurrency and a
full record read afterwards all come to the same decisions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from selfagg.errors import UsageError

POPULATION_RULES = "never, unanimous, share:X with 0.5 < X <= 1 (as share:0.875)"
VOTE_RULES = "never, decided, asc:X with 0.5 < X < 1 (as asc:0.95)"


class Rule(Protocol):
    """A rule that ends a question after a population, or a vote before all its members are there."""

    def decided(self, size: int, groups: Sequence[int], missing: int) -> bool | None:
        """Decide about a population, or about a vote's first members by place, from the answers so far.

        Args:
            size: Members of the population; those without an answer, failed calls included, are in no group.
            groups: Sizes of the groups of equal answers so far, in the order of their earliest members.
            missing: Members that are not there yet.

        Returns:
            True: stop. False: go on, whatever the missing members answer. None: it depends on them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Share:
    """A rule that stops when so large a share of a population gives one answer; the answerless dissent.

    The share is above 0.5, so that only one answer can have it.
    """

    share: float

    def decided(self, size: int, groups: Sequence[int], missing: int) -> bool | None:
        needed = math.ceil(self.share * size - 1e-9)
        leading = max(groups, default=0)
        if leading >= needed:
            return True
        return None if leading + missing >= needed else False


@dataclass(frozen=True, slots=True)
class Lead:
    """A rule that ends a vote when the leading answer cannot be caught: the whole vote would give the same answer.

    With a ``confidence`` also when the leader is the more frequent of the first two answers with this probability: the
    posterior of a share p under a uniform prior, P(p > 1/2) after v1 votes against v2 (arXiv 2305.11860, the "Beta"
    criterion).
    """

    confidence: float = math.inf

    def decided(self, size: int, groups: Sequence[int], missing: int) -> bool | None:
        first, second = sorted([*groups, 0, 0], reverse=True)[:2]
        # P(p > 1/2) for p ~ Beta(first + 1, second + 1): the chance of at most `first` heads in so many tosses.
        tosses = first + second + 1
        probability = sum(math.comb(tosses, heads) for heads in range(first + 1)) / float(2**tosses)
        if not missing or (first > second and probability >= self.confidence):
            return True
        if not groups:
            return None
        leader = groups.index(first)
        # Of equal groups the one with the earliest member wins, so a later group has to overtake.
        rivals = [(place, other) for place, other in enumerate([*groups, 0]) if place != leader]
        return None if any(other + missing + (place < leader) > first for place, other in rivals) else True


_NAMED: Mapping[str, Rule | None] = {"never": None, "unanimous": Share(1.0), "decided": Lead()}


def rule_named(text: str) -> Rule | None:
    """Return the rule with this name; None for ``never``.

    Raises:
        UsageError: There is no such rule.
    """
    if not isinstance(text, str):
        raise UsageError(f"stop is {text!r}, but it is a text: {POPULATION_RULES}; for votes: {VOTE_RULES}")
    if text in _NAMED:
        return _NAMED[text]
    if found := re.fullmatch(r"(share|asc):([01](?:\.\d+)?|\.\d+)", text):
        value = float(found[2])
        if found[1] == "share" and 0.5 < value <= 1:
            return Share(value)
        if found[1] == "asc" and 0.5 < value < 1:
            return Lead(value)
    raise UsageError(
        f"there is no rule {text!r} for stop; for populations: {POPULATION_RULES}; for votes: {VOTE_RULES}"
    )


def next_wave(rule: Rule, size: int, groups: Sequence[int], missing: int) -> int:
    """Return the number of further members of a vote to sample at once: with fewer it cannot be decided.

    So waves make no call that one member at a time would not make.
    """
    leader = groups.index(max(groups)) if groups else 0
    for wave in range(1, missing):
        after = [*groups] if groups else [0]
        after[leader] += wave
        if rule.decided(size, after, missing - wave):
            return wave
    return missing


def is_copied(answers: Sequence[Hashable | None]) -> bool:
    """Return True if a set is copied instead of aggregated: two candidates or more, all with one answer (not None)."""
    return len(answers) > 1 and answers[0] is not None and len({*answers}) == 1
