from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.training.run_folder import (
    MetricsFile,
    Rollout,
    RunFolder,
    read_rollouts,
    step_metrics,
    write_rollouts,
)


def checkpoint(folder: RunFolder, step: int) -> Path:
    path = folder.checkpoints / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"weights")
    return path


def test_what_differs_from_the_folders_training_is_said(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.begin({"lr": 1e-6, "seed": 1, "shape": (4, 2)}, may_differ={"steps": 10})
    folder.begin({"lr": 1e-6, "seed": 1, "shape": (4, 2)}, may_differ={"steps": 20})
    assert folder.settings() == {"lr": 1e-6, "seed": 1, "shape": [4, 2], "steps": 20}
    with pytest.raises(
        UsageError, match=r"other settings: lora is null there, 8 asked for; lr is 1e-06 there, 0\.1 asked for"
    ):
        folder.begin({"lr": 0.1, "seed": 1, "shape": (4, 2), "lora": 8}, may_differ={})


def test_everything_of_a_training_is_in_its_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "all" / "mine" / "run")
    folder.begin({}, may_differ={"steps": 1})
    folder.metrics.add({"step": 1})
    assert sorted(path.name for path in folder.path.iterdir()) == ["metrics.jsonl", "settings.json"]
    inside = [folder.final, folder.rollouts, folder.checkpoints, folder.evaluation(12)]
    assert [path.relative_to(folder.path).as_posix() for path in inside] == [
        "final",
        "rollouts",
        "checkpoints",
        "evaluations/step-000012.sqlite",
    ]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(UsageError, match="holds something else than a training"):
        RunFolder(tmp_path).begin({}, may_differ={})
    (tmp_path / "settings.json").write_text("[]")
    with pytest.raises(UsageError, match="is no training's"):
        RunFolder(tmp_path).begin({}, may_differ={})


def test_the_last_whole_checkpoint_counts_and_half_written_ones_go(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.last_checkpoint() is None
    checkpoint(folder, 2)
    folder.seal(2)
    half = checkpoint(folder, 4)
    assert folder.last_checkpoint() == (folder.checkpoints / "checkpoint-2", 2)
    assert half.exists()  # to look changes nothing: the folder may be another's
    folder.clear()
    assert folder.last_checkpoint() == (folder.checkpoints / "checkpoint-2", 2)
    assert not half.exists()
    later = checkpoint(folder, 10)
    folder.seal(10)
    assert folder.last_checkpoint() == (later, 10)
    assert [path.name for path in folder.checkpoints.iterdir()] == ["checkpoint-10"]


def test_a_crash_between_sealing_and_removing_leaves_the_newest(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for step in (9, 10):
        (checkpoint(folder, step) / "whole").touch()
    folder.clear()
    assert folder.last_checkpoint() == (folder.checkpoints / "checkpoint-10", 10)
    assert not (folder.checkpoints / "checkpoint-9").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "inner/optimizer.pt", "whole"])
@pytest.mark.parametrize("damage", [b"weighty", b"weig", None])
def test_a_damaged_checkpoint_is_named_and_not_gone_on_from(tmp_path: Path, name: str, damage: bytes | None) -> None:
    folder = RunFolder(tmp_path)
    path = checkpoint(folder, 2)
    (path / "inner").mkdir()
    (path / "inner/optimizer.pt").write_bytes(b"moments")
    folder.seal(2)
    folder.check(path)
    if damage is None:
        (path / name).unlink()
    else:
        (path / name).write_bytes(damage)
    with pytest.raises(UsageError, match=rf"checkpoint-2 is damaged \(.*{name}\); remove .*checkpoints to train"):
        folder.check(path)


def test_a_second_training_is_kept_out_until_the_first_has_ended(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    with first.held(), pytest.raises(UsageError, match="in use by another training"), second.held():
        pytest.fail("both are at work")
    with second.held():
        second.begin({"lr": 1e-6}, may_differ={})


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


def test_groups_come_in_the_order_of_their_right_candidates() -> None:
    metrics = step_metrics([rollout(1.0, c=c) for c in (8, 1, 4)])
    assert [*metrics] == ["aggregation"]
    assert [*metrics["aggregation"]["by_c"]] == ["1", "4", "8"]


def test_what_could_not_be_scored_is_counted_and_in_no_mean() -> None:
    metrics = step_metrics([rollout(1.0), rollout(None), rollout(None, c=1, entropy=None)])
    assert metrics["plain"]["unscored"] == 1
    assert metrics["plain"]["reward"] == 1.0
    assert metrics["aggregation"]["reward"] is None
    assert metrics["aggregation"]["entropy"] is None


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
