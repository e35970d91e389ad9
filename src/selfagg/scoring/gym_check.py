"""Reasoning Gym's scorers, as they run in worker processes: imported there and nowhere else."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from selfagg.gym import DATASETS, get_score_answer_fn
from selfagg.scoring import guard


def score(task: str, entry: Mapping[str, Any], answer: str) -> float:
    """What the task's own ``score_answer`` gives an answer; raises `UnknownTask`."""
    if task in _GRID_TASKS:
        metadata = entry["metadata"]
        entry = {**entry, "metadata": {**metadata, "output": tuple(map(tuple, metadata["output"]))}}
    return float(_scorer(task)(answer, entry))


_GRID_TASKS = ("arc_agi", "rearc")
"""Their scorers compare with a tuple of tuples, which JSON has turned into lists: no answer would be right."""


class UnknownTask(LookupError):
    """This version of Reasoning Gym has no such task."""


@functools.cache
def _scorer(task: str) -> Callable[[str, Mapping[str, Any]], float]:
    if task not in DATASETS:
        raise UnknownTask(task)
    scorer: Callable[[str, Mapping[str, Any]], float] = get_score_answer_fn(task)
    guard.install()
    return scorer
