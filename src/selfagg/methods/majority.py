"""Majority voting, or self-consistency (arXiv 2203.11171): the most frequent answer of N samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfagg.methods.single import Single
from selfagg.types import Member

if TYPE_CHECKING:
    from selfagg.run.question_run import QuestionRun


@dataclass(frozen=True)
class Majority(Single):
    """N independent samples and a vote. At the calls of an RSA run of N x T members, give it N x T samples."""

    name = "majority"
    uniform = False
    n: int = 16

    async def weigh(self, run: QuestionRun, population: Sequence[Member]) -> list[float]:
        return await run.vote(population)
