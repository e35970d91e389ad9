"""The decision whether a question goes on after a population, made as soon as its members make it certain."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from selfagg.run.stopping import Rule, is_copied
from selfagg.types import Member

Grouping = Callable[[Sequence[Member]], Awaitable[list[list[Member]]]]
"""A function that groups members by equal answers, and leaves out the answerless."""


class Agreement:
    """The decisions, for each population, whether the question goes on after it.

    A decision is a function of the population's answers, and a population that has recorded successors went on: so an
    interrupted run decides as before.

    Attributes:
        stopped: The population that is enough, once one is.
    """

    def __init__(self, rule: Rule | None, size: Callable[[int], int], grouping: Grouping) -> None:
        self._rule = rule
        self._size = size
        self._grouping = grouping
        self._members: Mapping[int, dict[int, Member]] = defaultdict(dict)
        self._went_on: Mapping[int, asyncio.Event] = defaultdict(asyncio.Event)
        self.stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def remember(self, deepest: int, *, whole: bool) -> None:
        """Take the decisions that a record holds.

        Args:
            deepest: The last population that has recorded members; all before it went on.
            whole: True if the record holds the whole question, so that the deepest population was enough.
        """
        for t in range(1, deepest):
            self._went_on[t].set()
        if whole and deepest and not self.stopped.done():
            self.stopped.set_result(deepest)

    async def look(self, member: Member) -> None:
        """Look at a further member of its population: perhaps it decides."""
        t = member.t
        self._members[t][member.i] = member
        if self._rule is None or self.stopped.done() or self._went_on[t].is_set():
            return
        size, there = self._size(t), [self._members[t][i] for i in sorted(self._members[t])]
        missing = size - len(there)
        extremes = ([len(there)], [1] * len(there))
        if all(self._rule.decided(size, groups, 0, missing) is None for groups in extremes):
            return
        groups = sorted(await self._grouping(there), key=lambda group: group[0].i)
        voters = [len(group) for group in groups]
        enough = self._rule.decided(size, voters, len(there) - sum(voters), missing)
        if enough and not self.stopped.done():
            self.stopped.set_result(t)
        elif enough is False:
            self._went_on[t].set()

    async def goes_on(self, t: int) -> None:
        """Wait until it is certain that population ``t`` is not enough; for ever where it is."""
        if self._rule is not None:
            await self._went_on[t].wait()

    async def is_copied(self, candidates: Sequence[Member]) -> bool:
        """Return True if a set's candidates all give one answer."""
        groups = await self._grouping(candidates)
        group_of = {member.i: group[0].i for group in groups for member in group}
        return is_copied([group_of.get(candidate.i) for candidate in candidates])
