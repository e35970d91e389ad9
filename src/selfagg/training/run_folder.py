"""The folder of a training: its settings, its checkpoints, and the way to go on after a crash."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import Timeout

from selfagg._internal.files import lock, sha256, sync, write_whole
from selfagg.errors import UsageError
from selfagg.record.configuration import differences
from selfagg.training.metrics import MetricsFile

_WHOLE = "whole"
"""A file that a checkpoint gets when all else of it is on disk: the others' digests, by their names."""


class RunFolder:
    """Paths in a training's folder.

    ``settings.json``, ``metrics.jsonl``, ``rollouts/`` (a file a step), ``checkpoints/`` (the last whole one),
    ``evaluations/`` (a record each) and, in the end, ``final/``: the trained model.

    Attributes:
        path: The folder.
        metrics: Its ``metrics.jsonl``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = MetricsFile(path / "metrics.jsonl")

    @property
    def final(self) -> Path:
        """Return the folder of the trained model."""
        return self.path / "final"

    @property
    def rollouts(self) -> Path:
        """Return the folder of the sampled responses."""
        return self.path / "rollouts"

    @property
    def checkpoints(self) -> Path:
        """Return the folder of the checkpoints: weights and optimiser states to go on from."""
        return self.path / "checkpoints"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep a second training out of the folder for the length of the ``with`` block.

        Raises:
            UsageError: One is at work there, or the place cannot be written.
        """
        try:
            taken = lock(self.path)
        except Timeout:
            raise UsageError(f"{self.path} is in use by another training") from None
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror or error}") from None
        try:
            yield
        finally:
            taken.release()

    def evaluation(self, step: int) -> Path:
        """Return the path of the record of the evaluation after step ``step``."""
        return self.path / "evaluations" / f"step-{step:06d}.sqlite"

    def begin(self, settings: Mapping[str, Any], *, may_differ: Mapping[str, Any]) -> None:
        """Write the settings into a new folder; compare them in a folder that a training has begun.

        Args:
            settings: Settings that decide the course of the training; JSON values.
            may_differ: Settings that do not: the number of steps, versions.

        Raises:
            UsageError: The folder belongs to another training, or cannot be written.
        """
        file = self.path / "settings.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            asked = json.loads(json.dumps(settings))
            if file.exists():
                self._compare(json.loads(file.read_text(encoding="utf-8"))["settings"], asked)
            elif any(self.path.iterdir()):
                raise UsageError(f"{self.path} holds something else than a training: name a new folder")
            write_whole(file, json.dumps({"settings": asked, "circumstances": dict(may_differ)}, indent=1) + "\n")
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError):
            raise UsageError(f"{file} is no training's: name a new folder") from None

    def settings(self) -> dict[str, Any]:
        """Return the settings of the training."""
        file = json.loads((self.path / "settings.json").read_text(encoding="utf-8"))
        return {**file["settings"], "steps": file["circumstances"].get("steps")}

    def _compare(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        if found := differences(before, now, "there"):
            raise UsageError(f"{self.path} belongs to a training with other settings: {'; '.join(found)}")

    def last_checkpoint(self) -> tuple[Path, int] | None:
        """Return the last whole checkpoint and its step."""
        whole = {
            int(path.parent.name.rpartition("-")[2]): path.parent
            for path in self.checkpoints.glob(f"checkpoint-*/{_WHOLE}")
        }
        return (whole[max(whole)], max(whole)) if whole else None

    def check(self, checkpoint: Path) -> None:
        """Compare a checkpoint with the digests written beside it.

        Raises:
            UsageError: A file of it is missing or has changed.
        """
        try:
            written = json.loads((checkpoint / _WHOLE).read_text(encoding="utf-8"))
            changed = next((name for name, digest in written.items() if sha256(checkpoint / name) != digest), None)
        except (OSError, ValueError, AttributeError) as error:
            changed = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else _WHOLE
        if changed is not None:
            way_on = f"remove {self.checkpoints} to train from the beginning"
            raise UsageError(f"the checkpoint {checkpoint} is damaged ({changed}); {way_on}")

    def clear(self) -> None:
        """Remove all checkpoints but the last whole one; call only after `begin` has accepted the folder."""
        last = self.last_checkpoint()
        for path in self.checkpoints.glob("checkpoint-*"):
            if last is None or path != last[0]:
                _remove(path)

    def seal(self, step: int) -> None:
        """Mark a checkpoint as whole once it is on disk, and remove the checkpoints before it."""
        folder = self.checkpoints / f"checkpoint-{step}"
        written = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        for path in [*written, folder]:
            sync(path)
        digests = {path.relative_to(folder).as_posix(): sha256(path) for path in written}
        write_whole(folder / _WHOLE, json.dumps(digests, indent=1) + "\n")
        sync(folder)
        for path in self.checkpoints.glob("checkpoint-*"):
            if path != folder:
                _remove(path)


def _remove(checkpoint: Path) -> None:
    (checkpoint / _WHOLE).unlink(missing_ok=True)
    shutil.rmtree(checkpoint)
