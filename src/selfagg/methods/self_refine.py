"""Self-refinement: each chain refines its own previous response (the paper's sequential baseline)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfagg.methods.base import Members, Method
from selfagg.prompts import aggregation, first
from selfagg.types import Member

if TYPE_CHECKING:
    from selfagg.run.question_run import QuestionRun


@dataclass(frozen=True)
class SelfRefine(Method):
    """N chains of T responses. Not RSA with K = 1, which refines a random member and so drifts by resampling."""

    name = "self-refine"
    grows = "t"

    def members(self, run: QuestionRun) -> Members:
        @run.memoised
        async def member(t: int, i: int) -> Member:
            if t == 1:
                return await run.sample(t, i, first(run.question))
            return await run.sample(t, i, aggregation(run.question, [await member(t - 1, i)]))

        return member
