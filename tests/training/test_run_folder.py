from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.training.run_folder import RunFolder


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
