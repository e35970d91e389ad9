"""Metrics of a training step, apart for plain and for aggregation prompts, and the file that keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from selfagg._internal.files import write_whole
from selfagg.training.rollouts import Rollout


def summary(rollouts: Sequence[Rollout]) -> dict[str, Any]:
    """Return a step's metrics of ``plain`` and of ``aggregation`` prompts, the latter also ``by_c`` right candidates.

    Each group has ``n`` (responses), ``unscored``, ``reward`` (mean of those scored), ``length`` (mean tokens),
    ``cut`` (share that ended at the limit) and ``entropy`` (mean over tokens, nats). A group without responses is
    left out, a mean of nothing is None.
    """
    plain = [rollout for rollout in rollouts if not rollout.aggregation]
    aggregation = [rollout for rollout in rollouts if rollout.aggregation]
    result: dict[str, Any] = {}
    if plain:
        result["plain"] = _means(plain)
    if aggregation:
        counts = sorted({rollout.c for rollout in aggregation})
        by_c = {c: [rollout for rollout in aggregation if rollout.c == c] for c in counts}
        result["aggregation"] = {
            **_means(aggregation),
            "by_c": {str(c): {"n": len(group), "reward": _mean_reward(group)} for c, group in by_c.items()},
        }
    return result


def flat(metrics: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Return nested metrics under names like ``aggregation/by_c/2/reward``, as trainers log them; omit None."""
    numbers: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, dict):
            numbers |= flat(value, f"{prefix}{name}/")
        elif value is not None:
            numbers[f"{prefix}{name}"] = value
    return numbers


class MetricsFile:
    """``metrics.jsonl``: a line a step, and one for each evaluation."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the file; leave out a line that a crash has cut off."""
        if not self.path.exists():
            return []
        return [*_whole_lines(self.path.read_text(encoding="utf-8").splitlines())]

    def add(self, line: dict[str, Any]) -> None:
        """Append one line to the file."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def go_back(self, step: int) -> None:
        """Remove the lines of the steps after ``step``: these steps are taken again."""
        kept = [line for line in self.lines() if line["step"] <= step]
        write_whole(self.path, "".join(json.dumps(line) + "\n" for line in kept))


def _whole_lines(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _means(rollouts: Sequence[Rollout]) -> dict[str, Any]:
    known = [(rollout.entropy, rollout.tokens) for rollout in rollouts if rollout.entropy is not None]
    tokens = sum(length for _, length in known)
    return {
        "n": len(rollouts),
        "unscored": sum(rollout.reward is None for rollout in rollouts),
        "reward": _mean_reward(rollouts),
        "length": fmean(rollout.tokens for rollout in rollouts),
        "cut": fmean(rollout.cut for rollout in rollouts),
        "entropy": sum(entropy * length for entropy, length in known) / tokens if tokens else None,
    }


def _mean_reward(rollouts: Sequence[Rollout]) -> float | None:
    scored = [rollout.reward for rollout in rollouts if rollout.reward is not None]
    return fmean(scored) if scored else None
