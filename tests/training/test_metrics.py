from pathlib import Path

import pytest

from selfagg.training.run_folder import MetricsFile, Rollout, read_rollouts, step_metrics, write_rollouts
from selfagg.training.trainer import flat


def rollout(
    reward: float | None, *, c: int | None = None, tokens: int = 4, cut: bool = False, entropy: float | None = 1.0
) -> Rollout:
    shown = c is not None
    return Rollout(
        3, 0, "q", shown, 2 if shown else 0, -1 if c is None else c, 1, 0, "text", reward, tokens, cut, entropy
    )


def test_plain_and_aggregation_prompts_are_counted_apart() -> None:
    rollouts = [
        rollout(1.0, tokens=2, entropy=3.0),
        rollout(0.0, tokens=6, cut=True, entropy=1.0),
        rollout(1.0, c=2),
        rollout(0.0, c=0),
        rollout(1.0, c=0),
    ]
    metrics = step_metrics(rollouts)
    assert metrics["plain"] == {"n": 2, "unscored": 0, "reward": 0.5, "length": 4, "cut": 0.5, "entropy": 1.5}
    assert metrics["aggregation"]["reward"] == pytest.approx(2 / 3)
    assert metrics["aggregation"]["by_c"] == {"0": {"n": 2, "reward": 0.5}, "2": {"n": 1, "reward": 1.0}}


def test_what_could_not_be_scored_is_counted_and_in_no_mean() -> None:
    metrics = step_metrics([rollout(1.0), rollout(None), rollout(None, c=1, entropy=None)])
    assert metrics["plain"]["unscored"] == 1
    assert metrics["plain"]["reward"] == 1.0
    assert metrics["aggregation"]["reward"] is None
    assert metrics["aggregation"]["entropy"] is None
    assert flat(metrics)["plain/reward"] == 1.0
    assert "aggregation/reward" not in flat(metrics)


def test_going_back_forgets_later_steps_and_a_line_that_was_cut_off(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    for step in (1, 2, 3):
        metrics.add({"step": step})
    with metrics.path.open("a") as file:
        file.write('{"step": 4, "pl')
    metrics.go_back(2)
    assert metrics.lines() == [{"step": 1}, {"step": 2}]
    metrics.add({"step": 3})
    assert [line["step"] for line in metrics.lines()] == [1, 2, 3]


def test_rollouts_come_back_and_a_repeated_step_replaces_the_first(tmp_path: Path) -> None:
    write_rollouts(tmp_path, 3, [rollout(0.0)])
    kept = [rollout(1.0), rollout(None, c=1, entropy=None)]
    write_rollouts(tmp_path, 3, kept)
    assert [*read_rollouts(tmp_path)] == kept
