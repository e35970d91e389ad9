"""The folder of a training: its settings, metrics, sampled responses and checkpoints, and the way on after a crash."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Any

from filelock import Timeout

from selfagg._internal.files import lock, sha256, sync, whole, write_whole
from selfagg.errors import UsageError
from selfagg.record.configuration import differences

_WHOLE = "whole"  # what a checkpoint gets when all else of it is on disk: the others' digests, by their names


@dataclass(slots=True)
class Rollout:
    """One response that was sampled in training.

    It answers prompt ``index`` of the training set, which asks question ``id`` and shows ``k`` candidates, ``c`` of
    them right (-1: a plain prompt). ``t`` and ``i`` are its place in an end-to-end loop, else 1 and 0. ``reward`` is
    None where it could not be scored, ``cut`` True if it ended at the length limit, ``entropy`` the policy's mean over
    its tokens, in nats, None before the update.
    """

    step: int
    index: int
    id: str
    aggregation: bool
    k: int
    c: int
    t: int
    i: int
    text: str
    reward: float | None
    tokens: int
    cut: bool
    entropy: float | None = None


def write_rollouts(folder: Path, step: int, rollouts: Sequence[Rollout]) -> Path:
    """Write a step's rollouts at once, in place of those of an earlier try at the same step."""
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    types = {"str": pa.string(), "int": pa.int64(), "bool": pa.bool_()}
    schema = pa.schema([(field.name, types.get(str(field.type), pa.float64())) for field in fields(Rollout)])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:06d}.parquet"
    with whole(path) as partial:
        table = pa.Table.from_pylist([asdict(rollout) for rollout in rollouts], schema=schema)
        parquet.write_table(table, partial, compression="zstd")
    return path


def read_rollouts(folder: Path) -> Iterator[Rollout]:
    """Yield all rollouts of a training, step by step."""
    import pyarrow.parquet as parquet

    for path in sorted(folder.glob("step-*.parquet")):
        for row in parquet.read_table(path).to_pylist():
            yield Rollout(**row)


def step_metrics(rollouts: Sequence[Rollout]) -> dict[str, Any]:
    """Return a step's metrics of ``plain`` and of ``aggregation`` prompts, the latter also ``by_c`` right candidates.

    Each group has ``n`` (responses), ``unscored``, ``reward`` (mean of those scored), ``length`` (mean tokens),
    ``cut`` (share that ended at the limit) and ``entropy`` (mean over tokens, nats). A group without responses is
    left out, a mean of nothing is None.
    """
    plain, shown = ([one for one in rollouts if one.aggregation == kind] for kind in (False, True))
    result = {"plain": _means(plain)} if plain else {}
    if shown:
        groups = {c: _means([one for one in shown if one.c == c]) for c in sorted({one.c for one in shown})}
        by_c = {str(c): {"n": means["n"], "reward": means["reward"]} for c, means in groups.items()}
        result["aggregation"] = {**_means(shown), "by_c": by_c}
    return result


def _means(rollouts: Sequence[Rollout]) -> dict[str, Any]:
    known = [(rollout.entropy, rollout.tokens) for rollout in rollouts if rollout.entropy is not None]
    scored = [rollout.reward for rollout in rollouts if rollout.reward is not None]
    tokens = sum(length for _, length in known)
    return {
        "n": len(rollouts),
        "unscored": len(rollouts) - len(scored),
        "reward": fmean(scored) if scored else None,
        "length": fmean(rollout.tokens for rollout in rollouts),
        "cut": fmean(rollout.cut for rollout in rollouts),
        "entropy": sum(entropy * length for entropy, length in known) / tokens if tokens else None,
    }


class MetricsFile:
    """``metrics.jsonl``: a line a step, and one for each evaluation."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the file; leave out a line that a crash has cut off."""
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def add(self, line: dict[str, Any]) -> None:
        """Append one line to the file."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def go_back(self, step: int) -> None:
        """Remove the lines of the steps after ``step``: these steps are taken again."""
        kept = [line for line in self.lines() if line["step"] <= step]
        write_whole(self.path, "".join(json.dumps(line) + "\n" for line in kept))


class RunFolder:
    """Paths in a training's folder.

    ``settings.json``, ``metrics.jsonl``, ``rollouts/`` (a file a step), ``checkpoints/`` (the last whole one),
    ``evaluations/`` (a record each) and, in the end, ``final/``: the trained model.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = MetricsFile(path / "metrics.jsonl")
        self.final, self.rollouts, self.checkpoints = path / "final", path / "rollouts", path / "checkpoints"

    def evaluation(self, step: int) -> Path:
        """Return the path of the record of the evaluation after step ``step``."""
        return self.path / "evaluations" / f"step-{step:06d}.sqlite"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep a second training out of the folder for the length of the ``with`` block, by a `UsageError`."""
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

    def begin(self, settings: Mapping[str, Any], *, may_differ: Mapping[str, Any]) -> None:
        """Write the settings into a new folder; compare those that decide in a folder that a training has begun.

        Raises:
            UsageError: The folder belongs to another training, or cannot be written.
        """
        file = self.path / "settings.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            asked = json.loads(json.dumps(settings))
            if file.exists():
                before = json.loads(file.read_text(encoding="utf-8"))["settings"]
                if found := differences(before, asked, "there"):
                    raise UsageError(f"{self.path} belongs to a training with other settings: {'; '.join(found)}")
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

    def last_checkpoint(self) -> tuple[Path, int] | None:
        """Return the last whole checkpoint and its step."""
        steps = [int(path.parent.name.rpartition("-")[2]) for path in self.checkpoints.glob(f"checkpoint-*/{_WHOLE}")]
        return (self.checkpoints / f"checkpoint-{max(steps)}", max(steps)) if steps else None

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
                (path / _WHOLE).unlink(missing_ok=True)
                shutil.rmtree(path)

    def seal(self, step: int) -> None:
        """Mark a checkpoint as whole once it is on disk, and remove the checkpoints before it."""
        folder = self.checkpoints / f"checkpoint-{step}"
        written = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        for path in [*written, folder]:
            sync(path)
        digests = {path.relative_to(folder).as_posix(): sha256(path) for path in written}
        write_whole(folder / _WHOLE, json.dumps(digests, indent=1) + "\n")
        sync(folder)
        self.clear()
