"""Recursive Self-Aggregation (arXiv 2509.26626, section 3), as the memoised recursion that it is.

    member(t, i)  =  a sample for the question                                    in the first population
                  =  a sample for the question and K members of population t - 1  in every later one

Which K is drawn ahead of everything else. So a member starts when its own K parents are there, not when the whole
population is; and asking for one member computes its ancestors and nothing else.
"""

from __future__ import annotations

from asyncio import gather
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from selfagg.errors import UsageError
from selfagg.methods.base import Members, Method
from selfagg.prompts import aggregation, first
from selfagg.run.stopping import Share
from selfagg.run.subsets import Order, Set, draw_sets
from selfagg.types import Member

if TYPE_CHECKING:
    from selfagg.run.question_run import QuestionRun


@dataclass(frozen=True)
class RSA(Method):
    """N candidates; T - 1 times, each of N aggregations rewrites K of them, drawn at random, into one.

    Attributes:
        k: Candidates that an aggregation sees, from 1 to ``n``.
        order: Order of the candidates: ``random`` as in the paper, or ``prefix``, along one prefix tree over the sets
            of a population, so that a server's prefix cache serves more of each prompt.
        stop: ``never`` as in the paper, ``unanimous``, or ``share:X``. A population of which at least the share X
            gives one answer is the last, and that is the answer.
        copy: True if a set whose candidates all give one answer is copied instead of aggregated.
        answer: ``sample`` as in the paper, or ``majority``: which member of the last population is the answer.
            None: ``sample``.
    """

    name = "rsa"
    grows = "t"
    rules = (Share,)
    k: int = 4
    order: Order = "random"
    stop: str = "never"
    copy: bool = False
    answer: Literal["sample", "majority"] | None = None

    def members(self, run: QuestionRun) -> Members:
        @cache
        def sets(t: int) -> list[Set]:
            return draw_sets(run.seed, run.question.id, t, n=self.n, k=self.k, order=self.order)

        @run.memoised
        async def member(t: int, i: int) -> Member:
            if t == 1:
                return await run.sample(t, i, first(run.question))
            candidates = await gather(*(member(t - 1, j) for j in sets(t)[i]))
            await run.goes_on(t - 1)  # for ever, where the rule `stop` ends the question with that population
            if self.copy and await run.agree(t, candidates):
                return await run.copy(t, i, candidates)
            return await run.sample(t, i, aggregation(run.question, candidates))

        return member

    async def weigh(self, run: QuestionRun, population: Sequence[Member]) -> list[float]:
        return await (super().weigh(run, population) if self.one_answer else run.vote(population))

    @property
    def parents(self) -> int:
        return self.k

    @property
    def one_answer(self) -> bool:
        return self.answer != "majority"

    @property
    def compares(self) -> bool:
        return self.copy or super().compares

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.k <= self.n:
            raise UsageError(f"{self.name}: k = {self.k}, but a set holds 1 to n = {self.n} different members")
        if self.order not in ("random", "prefix"):
            raise UsageError(f"{self.name}: order {self.order!r} is neither random nor prefix")
        if type(self.copy) is not bool:
            raise UsageError(f"{self.name}: copy {self.copy!r} is neither True nor False")
        if self.answer not in (None, "sample", "majority"):
            raise UsageError(f"{self.name}: answer {self.answer!r} is neither sample nor majority")


@dataclass(frozen=True)
class OneStep(RSA):
    """N samples, each of N aggregations over K of them, and no recursion (the paper's one-step self-aggregation)."""

    name = "one-step"
    grows = "n"
    t: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.t != 2:
            raise UsageError(f"{self.name}: t = {self.t}, but it has two populations; with another t it is rsa")
