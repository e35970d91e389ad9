"""The reward of this run: selfagg's, as verl calls it (``reward.custom_reward_function`` in run.yaml)."""

from selfagg.training.verl_reward import compute_score

__all__ = ["compute_score"]
