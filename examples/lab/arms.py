"""What is compared: the base, and what reinforcement makes of it; each is only its training prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selfagg.training.rows import TrainingRow

Prompts = Callable[[Sequence[TrainingRow], Sequence[TrainingRow]], list[TrainingRow]]
"""Puts an arm's training prompts together, of the plain rows and of those with candidates."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One model of the comparison.

    Attributes:
        name: Of its files and tables.
        label: In figures and sentences.
        prompts: What it is trained on; None: nothing, it is the base.
    """

    name: str
    label: str
    prompts: Prompts | None


def _half(plain: Sequence[TrainingRow], aggregation: Sequence[TrainingRow]) -> list[TrainingRow]:
    """Rows with candidates as they are, and plain ones as often."""
    times, rest = divmod(len(aggregation), len(plain))
    return [*plain] * times + [*plain[:rest], *aggregation]


ARMS = (
    Arm("base", "base", None),
    Arm("standard", "standard RL", lambda plain, aggregation: [*plain]),
    Arm("aware", "aggregation-aware RL", _half),
)
"""In the order of tables."""
