"""Reasoning Gym: imported nowhere else, since it takes a second and its dependencies must be kept quiet.

Some of these have sources that Python warns of when it compiles them, which happens at the first use where an installer
has not done it.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", SyntaxWarning)
    from reasoning_gym import create_dataset  # type: ignore[import-untyped]
    from reasoning_gym.factory import DATASETS, get_score_answer_fn  # type: ignore[import-untyped]

__all__ = ["DATASETS", "create_dataset", "get_score_answer_fn"]
