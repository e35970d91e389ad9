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


def _mixed(share: float) -> Prompts:
    """Rows with candidates as they are, and plain ones as often as the share of the former asks for."""

    def prompts(plain: Sequence[TrainingRow], aggregation: Sequence[TrainingRow]) -> list[TrainingRow]:
        wanted = round(len(aggregation) * (1 - share) / share)
        times, rest = divmod(wanted, len(plain))
        return [*plain] * times + [*plain[:rest], *aggregation]

    return prompts


ARMS = (
    Arm("base", "base", None),
    Arm("standard", "standard RL", lambda plain, aggregation: [*plain]),
    Arm("tenth", "standard RL with a tenth of aggregations", _mixed(0.1)),
    Arm("aware", "aggregation-aware RL", _mixed(0.5)),
)
"""In the order of tables. The third is a control: does standard RL fail because it never sees such a prompt?"""
