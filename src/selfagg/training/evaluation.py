"""Evaluations while a model is trained: RSA on problems that are held out, through the engine, each into a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from selfagg._internal.blocking import blocking
from selfagg.analysis.summary import summarise
from selfagg.methods.rsa import RSA
from selfagg.models.transformers.model import HFModel
from selfagg.record.configuration import about, configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.training.randomness import remember
from selfagg.training.run_folder import RunFolder
from selfagg.types import Question, Sampling

if TYPE_CHECKING:
    from selfagg.training.trainer import Callback


@dataclass(frozen=True, slots=True)
class HeldOutEvaluation:
    """An evaluation on held-out problems: before the first step, after every so many steps, and after the last.

    Attributes:
        questions: Held-out problems, with gold answers.
        every: Steps between evaluations; 0: before and after training alone.
        method: RSA with its N, K and T (the paper's 16, 4, 10).
        sampling: The sampling of members.
        seed: Decides sets and members' seeds: the same at every step, so that steps are compared on equal terms.
    """

    questions: Sequence[Question]
    every: int = 0
    method: RSA = field(default_factory=RSA)
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 1234

    def due(self, step: int) -> bool:
        """Return True if an evaluation follows this step; the last step is not considered."""
        return step == 0 or (self.every > 0 and step % self.every == 0)


class Evaluations(TrainerCallback):
    """The evaluations of a training; each adds a line ``{"step": ..., "evaluation": ...}`` to the metrics."""

    def __init__(self, evaluation: HeldOutEvaluation, folder: RunFolder, callback: Callback) -> None:
        self._evaluation = evaluation
        self._folder = folder
        self._watcher = callback
        self._done = {line["step"] for line in folder.metrics.lines() if "evaluation" in line}

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._evaluation.due(state.global_step):
            self._evaluate(state.global_step, **kwargs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._evaluate(state.global_step, **kwargs)

    def _evaluate(self, step: int, *, model: Any, processing_class: Any, **_: Any) -> None:
        if step in self._done:
            return
        put_back = remember()  # an evaluation changes nothing of what is sampled in training
        result = blocking(
            lambda: evaluated(model, processing_class, self._evaluation, self._folder.evaluation(step), f"step {step}")
        )
        put_back()
        self._done.add(step)
        line = {"step": step, "evaluation": result}
        self._folder.metrics.add(line)
        self._watcher(line)


async def evaluated(
    model: Any, tokenizer: Any, evaluation: HeldOutEvaluation, record: Path, name: str
) -> dict[str, Any]:
    """Evaluate a model as it is now; return the object that ``selfagg eval --json`` prints.

    What its record holds already is not sampled again.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    settings = Settings(evaluation.sampling, evaluation.seed)
    async with HFModel(model, tokenizer, name=name) as connection:
        with Record(record) as written:
            asked = configuration(evaluation.method, name, settings, "held out")
            written.begin(asked, evaluation.questions, about(context=connection.context))
            engine = Engine(connection, settings, written)
            await evaluate(engine, evaluation.method, evaluation.questions)
            return summarise(written).as_json()
