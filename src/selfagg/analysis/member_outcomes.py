"""The outcome of each member, without its text: read question by question, so that memory stays small."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from selfagg.analysis.missing import UNTOLD
from selfagg.record.database import reading
from selfagg.record.record import Record
from selfagg.record.rows import numbers, places

_MEMBERS = f"""
SELECT g.t, g.i, g.parents, s.score, s.score IS NULL AND s.note != '' AND g.error IS NULL, s.same,
    g.error IS NOT NULL, g.stop IS 'length', iif({UNTOLD}, NULL, completion_tokens), g.seconds,
    g.tries = 0 AND g.error IS NULL, s.note IS NULL
FROM generations g LEFT JOIN scores s ON s.question = g.question AND s.t = g.t AND s.i = g.i
WHERE g.question = ? AND g.t <= ? AND g.role = 'candidate' ORDER BY g.t, g.i
"""  # noqa: S608 - constants

_places = lru_cache(maxsize=1 << 16)(places)  # the same sets come again and again


def verdict(answer: str | None, score: float | None, *, failed: bool = False) -> str:
    """Return ``right``, ``wrong``, ``partly right``, ``no answer``, ``unscored`` or ``failed`` of a member.

    Args:
        answer: Its answer, if it has one.
        score: Its score, if it is known.
        failed: True if its call failed.
    """
    if failed:
        return "failed"
    if score is not None and score >= 1:
        return "right"
    if answer is None:
        return "no answer"
    if score is None:
        return "unscored"
    return "partly right" if score > 0 else "wrong"


class MemberOutcome(NamedTuple):
    """One member of a population, as far as analyses count it.

    Where a question stopped before the run's last population, its last members are carried forward: the only parent of
    each is itself, one population earlier.
    """

    t: int  # its population; 1 is the first
    i: int  # its place in the population
    parents: tuple[int, ...]  # places in population ``t - 1`` of the candidates it was made from
    score: float | None  # 1.0 right, 0.0 wrong, between them partial credit; None where it is not known
    unscored: bool  # there is a gold answer, and the answer could not be scored
    same: int | None  # place of the earliest member of its population with an equal answer; None without an answer
    failed: bool  # its call failed, so that there is no reply
    cut: bool  # its reply was cut by the limit on its length
    completion: int | None  # tokens of its reply, reasoning included; None where the server did not report
    seconds: float  # seconds that the model took for it
    copied: bool = False  # from its first parent, without a call
    carried: bool = False  # it stands for a member that was never made

    @property
    def made(self) -> bool:
        """Return True if a call was made for the member."""
        return not self.copied and not self.carried

    @property
    def right(self) -> bool:
        """Return True if the member's answer is right: it has full score, not partial credit."""
        return self.score is not None and self.score >= 1.0


Population = Sequence[MemberOutcome]
"""The members of one population, by their place."""


@dataclass(frozen=True, slots=True)
class QuestionOutcome:
    """One question of which nothing is missing."""

    position: int  # its position in the run
    id: str  # its name
    populations: Sequence[Population]  # up to the run's last one, carried forward where the question stopped
    weights: Sequence[float]  # each last member's chance to be the method's answer
    depth: int  # populations that were made

    @property
    def scored(self) -> bool:
        """Return True if the question has a gold answer."""
        return any(m.score is not None or m.unscored for population in self.populations for m in population)

    @property
    def whole(self) -> bool:
        """Return True if right and wrong are known of every member."""
        return self.scored and not any(member.unscored for population in self.populations for member in population)

    @property
    def right_counts(self) -> list[int]:
        """Return the number of right members of each population."""
        return [sum(member.right for member in population) for population in self.populations]

    @property
    def worth(self) -> list[float]:
        """Return the chance that the method's own answer is right, once for each member that can be this answer.

        Repeated so that an interval knows how many answers stand behind a mean: one for a vote, N for a member drawn
        from all. Members that could not be scored are left out; empty where none is left.
        """
        return self._worth(replied=False)

    @property
    def worth_replied(self) -> list[float]:
        """Return the same, members without a reply left out too."""
        return self._worth(replied=True)

    def _worth(self, *, replied: bool) -> list[float]:
        chances = [
            (weight, member.right)
            for weight, member in zip(self.weights, self.populations[-1], strict=True)
            if weight > 0 and not member.unscored and not (replied and member.failed)
        ]
        right = math.fsum(weight for weight, is_right in chances if is_right)
        # Weights such as 1 / 49 need not add up to 1 exactly.
        return [min(right / math.fsum(weight for weight, _ in chances), 1.0)] * len(chances) if chances else []


def answered(record: Record) -> Iterator[QuestionOutcome]:
    """Yield the questions that are done, in their order. A question half done would favour members that finish early.

    Raises:
        UsageError: The record is damaged.
    """
    method = record.configuration.get("method", {})
    last, stops = method.get("t", 0), "stop" in method
    expected: list[int] = []
    for position, name, weights in record.query(
        "SELECT position, id, weights FROM questions WHERE weights IS NOT NULL ORDER BY position"
    ):
        with reading(record.path):
            members = _populations(record, position, last)
            depth, final = len(members), members[-1]
            if stops:
                members += [
                    [m._replace(t=t, parents=(m.i,), completion=None, seconds=0.0, carried=True) for m in final]
                    for t in range(depth + 1, last + 1)
                ]
            sizes = [len(population) for population in members]
            expected = expected or sizes
            if len(sizes) != last or not (sizes == expected or (stops and last == 1)):
                raise ValueError(f"question {position + 1} is said to be done and lacks members")
            chances = numbers(weights)
            if len(chances) != len(final) or not all(0 <= chance <= 1 for chance in chances):
                raise ValueError(f"question {position + 1} with wrong weights")
        yield QuestionOutcome(position, name, members, chances, depth)


def _populations(record: Record, position: int, last: int) -> list[list[MemberOutcome]]:
    """Return the populations of a question that is done.

    Raises:
        ValueError: A member is missing, or names parents or equals that are not there.
    """
    populations: list[list[MemberOutcome]] = [[]]
    for t, i, parents, score, unscored, same, failed, cut, completion, seconds, copied, unread in record.query(
        _MEMBERS, (position, last)
    ):
        if t > len(populations):
            populations.append([])
        known = (score, unscored == 1, same, failed == 1, cut == 1, completion, seconds, copied == 1)
        member = MemberOutcome(t, i, _places(parents), *known)
        populations[-1].append(member)
        before = len(populations[t - 2]) if t > 1 else 0
        out_of_place = (t, i) != (len(populations), len(populations[-1]) - 1)
        if unread or out_of_place or max(member.parents, default=-1) >= before:
            raise ValueError(f"question {position + 1}: member {i} of population {t} has no place or was never read")
    for population in populations:
        equals = {member.same for member in population if member.same is not None}
        if any(same >= len(population) or population[same].same != same for same in equals):
            raise ValueError(f"question {position + 1}: a population whose members do not fit together")
    return populations


def votes(population: Population) -> Counter[int]:
    """Count the members that gave each answer; an answer goes by the place of the earliest member that gave it."""
    return Counter(member.same for member in population if member.same is not None)


def elected(members: Population) -> MemberOutcome | None:
    """Return the earliest member of the largest group, ties by the earliest; None where nobody answered.

    Of a group's members, which have equal answers, one that is scored stands for those that are not.
    """
    counts = votes(members)
    if not counts:
        return None
    winner = max(counts, key=lambda same: counts[same])  # of equal groups the first one met
    group = [member for member in members if member.same == winner]
    return next((member for member in group if not member.unscored), group[0])
