"""The reward as verl's reward manager calls it: ``reward.custom_reward_function`` of a run names `compute_score`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfagg.errors import SelfaggError
from selfagg.training.reward import REWARDS, reply_of


class Unscorable(SelfaggError):
    """A response could not be scored. verl drops it from its group and goes on."""


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> dict[str, float]:
    """Score one response for verl.

    verl does not tell whether a response was cut at its length limit, so one to a question of kind ``text`` that
    was cut before any ``</answer>`` is read as if it were whole; with every other kind that changes nothing.

    Args:
        data_source: Not looked at.
        solution_str: The response, reasoning included.
        ground_truth: Not looked at: the question in ``extra_info`` has all that scoring needs.
        extra_info: The row's column of that name.
        **kwargs: Further arguments that verl may hand over.

    Returns:
        ``score``: 1.0 verified right, else 0.0; and of the prompt, for verl's validation metrics: ``aggregation``
        (1.0 where candidates were shown), ``k``, ``c``.

    Raises:
        Unscorable: The response could not be scored; the text says why.
    """
    info = extra_info or {}
    reward = await REWARDS.reward(info, reply_of(solution_str))
    if reward.value is None:
        raise Unscorable(f"this response gets no reward: {reward.note}")
    numbers = {name: float(info.get(name, 0)) for name in ("aggregation", "k", "c")}
    return {"score": reward.value, **numbers}
