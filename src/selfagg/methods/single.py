"""One sample a question: what the model does without help (pass@1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfagg.errors import UsageError
from selfagg.methods.base import Members, Method
from selfagg.prompts import first
from selfagg.types import Member

if TYPE_CHECKING:
    from selfagg.run.question_run import QuestionRun


@dataclass(frozen=True)
class Single(Method):
    """One population, by default of one member; with more, its accuracy is the mean over them."""

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
