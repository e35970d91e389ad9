"""Mixture of agents (arXiv 2406.04692) with one model (Self-MoA, arXiv 2502.00674)."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfagg.methods.base import Members, Method
from selfagg.prompts import aggregation, first
from selfagg.types import Member

if TYPE_CHECKING:
    from selfagg.run.question_run import QuestionRun


@dataclass(frozen=True)
class MixtureOfAgents(Method):
    """Layers of N members that each see the whole layer before; one last member sees all of the last layer.

    What RSA has instead: subsets of K, so that prompts stay short and members differ.

    Attributes:
        n: Members of a layer; 6 in the paper.
        t: Layers, the last one with its single member included; 3 in the paper.
    """

    name = "mixture-of-agents"
    grows = "t"
    own_sizes = True  # each member reads all of a layer
    n: int = 6
    t: int = 3

    @property
    def parents(self) -> int:
        return self.n

    def size(self, t: int) -> int:
        return 1 if t == self.t > 1 else self.n

    def members(self, run: QuestionRun) -> Members:
        @run.memoised
        async def member(t: int, i: int) -> Member:
            if t == 1:
                return await run.sample(t, i, first(run.question))
            layer = await gather(*(member(t - 1, j) for j in range(self.n)))
            return await run.sample(t, i, aggregation(run.question, layer))

        return member
