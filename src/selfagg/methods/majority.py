"""Majority voting, or self-consistency (arXiv 2203.11171): the most frequent answer of N samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfagg.engine.stopping import VOTE_RULES, AdaptiveConsistency, Decided, Rule, rule_named
from selfagg.errors import UsageError
from selfagg.methods.single import Single
from selfagg.types import Member

if TYPE_CHECKING:
    from selfagg.engine.trial import Trial


@dataclass(frozen=True)
class Majority(Single):
    """N independent samples and a vote. At the calls of an RSA run of N x T members, give it N x T samples.

    Attributes:
        stop: ``never``, or when no further sample is asked for: ``decided`` when the leading answer cannot be caught
            (the same answer, always), ``asc:X`` when it leads with probability X (arXiv 2305.11860).
    """

    name = "majority"
    uniform = False
    rules = (Decided, AdaptiveConsistency)
    n: int = 16
    stop: str = "never"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.vote_rule, (*self.rules, type(None))):
            raise UsageError(f"{self.name}: stop {self.stop!r} is a rule for populations; here there are {VOTE_RULES}")

    @property
    def vote_rule(self) -> Rule | None:
        return rule_named(self.stop)

    @property
    def compares(self) -> bool:
        return self.vote_rule is not None

    async def weigh(self, trial: Trial, population: Sequence[Member]) -> list[float]:
        return await trial.vote(population)
