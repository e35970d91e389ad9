"""The drawing of a training set from a pool of candidates: everything that a seed decides, without any text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import comb
from typing import Literal

from selfagg.errors import UsageError
from selfagg.run.subsets import address_random

Kept = Literal["keep", "drop"]
TooLongChoice = Literal["shorten", "drop"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The composition of a training set (arXiv 2509.26626, section on aggregation-aware RL).

    Attributes:
        k: Candidates of an aggregation prompt; 1 is the refine wording.
        pool: Candidates that are sampled for each problem, of which k are drawn (k).
        draws: Different sets of k of them that are drawn for each problem.
        fraction: Share of aggregation prompts among all training prompts; 0: plain problems alone, no model is asked.
        all_right: Fate of prompts with right candidates alone.
        all_wrong: Fate of prompts without a right candidate.
        too_long: Fate of longer aggregation prompts: candidates are shortened, as at inference, or the prompt
            is dropped. A plain prompt that is too long is dropped.
        max_prompt_tokens: Most tokens of a prompt; None: what the model's context leaves beside a reply.
        held_out: Problems kept apart as a test split, which are trained on in no form.
    """

    k: int = 4
    pool: int = None  # type: ignore[assignment]  # __post_init__ makes it k
    draws: int = 1
    fraction: float = 0.5
    all_right: Kept = "keep"
    all_wrong: Kept = "keep"
    too_long: TooLongChoice = "shorten"
    max_prompt_tokens: int | None = None
    held_out: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise UsageError(f"fraction = {self.fraction}, but it is a share from 0 to 1")
        if self.pool is None:
            object.__setattr__(self, "pool", self.k)  # type: ignore[unreachable]
        for name, least in (("k", 1), ("pool", 1), ("draws", 1), ("held_out", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} = {getattr(self, name)}, but it is at least {least}")
        if self.k > self.pool:
            raise UsageError(f"k = {self.k}, but a pool of {self.pool} holds no more than {self.pool} candidates")
        if self.draws > comb(self.pool, self.k):
            enough = next(n for n in count(self.pool) if comb(n, self.k) >= self.draws)
            raise UsageError(
                f"draws = {self.draws}, but a pool of {self.pool} holds {comb(self.pool, self.k)} different sets of "
                f"{self.k}; a pool of {enough} holds {comb(enough, self.k)}"
            )

    def keeps(self, c: int) -> bool:
        """Return True if a prompt with ``c`` right candidates stays in the set."""
        return (c < self.k or self.all_right == "keep") and (c > 0 or self.all_wrong == "keep")


def draw_subsets(seed: int, question: str, usable: Sequence[int], *, k: int, draws: int) -> list[tuple[int, ...]]:
    """Draw different sets of ``k`` of a problem's usable candidates, uniformly, each in an order drawn with the set.

    As many as there are where that is less than ``draws``. More draws begin with those of fewer.
    """
    random = address_random(seed, question, "training set")
    drawn: dict[frozenset[int], tuple[int, ...]] = {}
    while len(drawn) < min(draws, comb(len(usable), k)):
        members = tuple(random.sample(usable, k))
        drawn.setdefault(frozenset(members), members)
    return list(drawn.values())


def mixture(plain: int, aggregation: int, fraction: float) -> tuple[int, int]:
    """Return how many of the plain and aggregation prompts at hand to take so that ``fraction`` of them aggregate.

    The numbers are the largest possible; the share is rounded to a prompt.
    """
    if fraction == 1:
        return 0, aggregation
    wanted = plain * fraction / (1 - fraction)
    if wanted <= aggregation:
        return plain, round(wanted)
    return round(aggregation * (1 - fraction) / fraction), aggregation
