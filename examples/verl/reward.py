"""The reward of this run: selfagg's, as verl calls it (``reward.custom_reward_function`` in run.yaml)."""

import sys
from pathlib import Path

from selfagg.training.reward import compute_score

__all__ = ["compute_score"]

# verl's configuration library holds this environment to ANTLR 4.9, with which math-verify reads some answers, such as
# percentages, otherwise than `selfagg eval` does. The processes that compare answers search what this one searches,
# so they find the newer one that run.sh puts here; this one has loaded its own already.
sys.path.insert(0, str(Path(__file__).parent / "antlr"))
