"""Independent samples: one, as the model does without help, or N and a majority vote (arXiv 2203.11171)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfagg.errors import UsageError
from selfagg.methods.base import Members, Method
from selfagg.prompts import first
from selfagg.run.stopping import Lead
from selfagg.types import Member

if TYPE_CHECKING:
    from selfagg.run.question_run import QuestionRun


@dataclass(frozen=True)
class Single(Method):
    """One population, by default of one member; with more, its accuracy is the mean over them (pass@1)."""

    name = "single"
    n: int = 1
    t: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.t != 1:
            raise UsageError(f"{self.name}: t = {self.t}, but it has one population and nothing is aggregated")

    def members(self, run: QuestionRun) -> Members:
        @run.memoised
        async def member(t: int, i: int) -> Member:
            return await run.sample(t, i, first(run.question))

        return member


@dataclass(frozen=True)
class Majority(Single):
    """N independent samples and a vote. At the calls of an RSA run of N x T members, give it N x T samples.

    Attributes:
        stop: ``never``, or when no further sample is asked for: ``decided`` when the leading answer cannot be caught
            (the same answer, always), ``asc:X`` when it leads with probability X (arXiv 2305.11860).
    """

    name = "majority"
    uniform = False
    rules = (Lead,)
    n: int = 16
    stop: str = "never"

    async def weigh(self, run: QuestionRun, population: Sequence[Member]) -> list[float]:
        return await run.vote(population)
