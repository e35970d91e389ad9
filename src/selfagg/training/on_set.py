"""`train_on_set`: train a model that is named, on a training set in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from selfagg.errors import UsageError
from selfagg.methods.rsa import RSA
from selfagg.training.rl_settings import RLSettings
from selfagg.training.rows import question_of, read_rows, rows_file
from selfagg.types import Sampling

if TYPE_CHECKING:
    from selfagg.training.evaluation import HeldOutEvaluation
    from selfagg.training.run_folder import RunFolder
    from selfagg.training.trainer import Callback


def train_on_set(
    model: str,
    data: Path,
    settings: RLSettings,
    out: Path,
    *,
    evaluation: HeldOutEvaluation | None = None,
    save_every: int = 10,
    callback: Callback = lambda line: None,
) -> RunFolder:
    """Train a model by its name on the set that ``selfagg train data`` made, or go on with the training.

    Args:
        model: A hub id, a folder, a .gguf file, or ``local``.
        data: The set's folder.
        settings: The settings of the training.
        out: The folder of this training.
        evaluation: RSA on held-out problems; see `evaluation_on_set`.
        save_every: Steps between checkpoints; 0: at the end only.
        callback: Told of each line that ``metrics.jsonl`` gets.

    Returns:
        The folder, ``final`` in it being the trained model.

    Raises:
        UsageError: Something given cannot work, or ``out`` belongs to another training or is damaged.
    """
    from selfagg.models.transformers.checkpoints import load, short_name
    from selfagg.training.rl import train, training_dtype

    name = model.removeprefix("hf:")
    checkpoint = load(name, dtype=training_dtype(settings))
    digest = hashlib.sha256(rows_file(data, "train").read_bytes()).hexdigest()
    about = {"model": short_name(name), "data": f"{data.resolve().name} (sha256 {digest[:16]})"}
    return train(
        checkpoint.model,
        checkpoint.tokenizer,
        read_rows(data),
        settings,
        out,
        evaluation=evaluation,
        save_every=save_every,
        about=about,
        callback=callback,
    )


def evaluation_on_set(
    data: Path, settings: RLSettings, method: RSA, every: int, limit: int | None
) -> HeldOutEvaluation:
    """Return an evaluation on a set's test split.

    Args:
        data: The set's folder.
        settings: Their temperature, token limit and seed are the evaluation's too.
        method: RSA with its N, K and T.
        every: Steps between evaluations; 0: before and after training alone.
        limit: The first so many test problems; None: all.

    Raises:
        UsageError: The set has no test split.
    """
    from selfagg.training.evaluation import HeldOutEvaluation

    questions = {row.id: question_of(row) for row in read_rows(data, "test")}
    if not questions:
        raise UsageError(f"--eval-every: {data} has no test split; make it with selfagg train data --held-out")
    sampling = Sampling(temperature=settings.temperature, max_tokens=settings.max_tokens)
    return HeldOutEvaluation([*questions.values()][:limit], every, method, sampling, settings.seed)
