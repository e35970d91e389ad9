"""TRL's trainers, made to keep what they sample, to go on after a fault, and to waste no work on padding.

What is overridden here are TRL's inner methods (1.16): the algorithms themselves stay TRL's own. TRL pads all of a step
to its longest prompt and response; half of the prompts of aggregation-aware training are plain, and many times shorter.
"""

from __future__ import annotations

import inspect
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from accelerate.utils import gather_object  # type: ignore[import-untyped]
from transformers import TrainerCallback
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer

from selfagg._internal.blocking import blocking
from selfagg.errors import SelfaggError
from selfagg.evaluation.evaluate import aevaluate
from selfagg.methods.rsa import RSA
from selfagg.models.transformers.model import HFModel
from selfagg.training.rows import TrainingRow
from selfagg.training.run_folder import Rollout, RunFolder, step_metrics, write_rollouts
from selfagg.types import Question, Sampling

if TYPE_CHECKING:
    _Trainer = RLOOTrainer
else:
    _Trainer = object

T = TypeVar("T")
Batch = dict[str, Any]

SAMPLED_AT_ONCE = 16
"""Micro-batches' worth of responses that transformers samples at once: more, since sampling needs no gradients."""

RewardFunction = Callable[..., "Sequence[float | None] | Awaitable[Sequence[float | None]]"]
"""As TRL calls it: ``(prompts, completions, completion_ids, **columns)``, with the columns of `TrainingRow.columns`."""

Callback = Callable[[dict[str, Any]], None]
"""A function that receives each line of the metrics."""


class RewardFailed(SelfaggError):
    """A reward function raised."""


class _Kept(_Trainer):
    """The methods that both trainers share."""

    _rloo = True

    def __init__(
        self, *, rows: Sequence[TrainingRow], folder: RunFolder, reward: RewardFunction, callback: Callback, **trl: Any
    ) -> None:
        """Take TRL's arguments in ``trl``; TRL's data set holds nothing but places in ``rows``."""
        self._rows, self._folder, self._reward, self._watcher = rows, folder, reward, callback
        self._sampled_rows: list[TrainingRow] = []
        self._rollouts: list[Rollout] = []
        self._entropies: dict[int, float] = {}
        self._inputs: Batch = {}
        self._sorted: list[Batch] = []
        self._started = time.monotonic()
        super().__init__(reward_funcs=self._rewarded, **trl)  # type: ignore[arg-type]  # TRL takes it async too

    @property
    def _ends(self) -> set[int]:
        """Return the tokens that end a response; a response that ends with another token was cut."""
        return {*self.eos_token_ids, self._tokenizer.pad_token_id}

    def _send_telemetry(self) -> None:
        """Send nothing, unlike TRL."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write no card here: selfagg's own card comes with the trained model."""

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Batch:
        self._started = time.monotonic()
        self._sampled_rows = [self._rows[place["row"]] for place in inputs]
        put_back = remember_randomness()
        try:
            output: Batch = super()._generate_and_score_completions([row.columns() for row in self._sampled_rows])
        except RewardFailed:
            put_back()
            if self.state.global_step > 0 and self.accelerator.num_processes == 1:
                self._save_checkpoint(self.model, None)
            raise
        output["rollout"] = torch.arange(len(self._rollouts), device=output["completion_ids"].device)
        return output

    async def _rewarded(
        self, prompts: list[Any], completions: list[Any], completion_ids: list[list[int]], **columns: Any
    ) -> list[float | None]:
        """Compute rewards for TRL by the given reward function, and remember the rollouts."""
        step, self._rollouts = self.state.global_step + 1, []
        for row, completion, ids in zip(self._sampled_rows, completions, completion_ids, strict=True):
            text = completion if isinstance(completion, str) else str(completion[-1].get("content") or "")
            cut = ids[-1] not in self._ends
            self._rollouts.append(
                Rollout(step, row.index, row.id, row.aggregation, row.k, row.c, 1, 0, text, None, len(ids), cut)
            )
        try:
            given = self._reward(prompts, completions, completion_ids, **columns)
            given = await given if inspect.isawaitable(given) else given
            rewards = [None if reward is None or math.isnan(reward) else float(reward) for reward in given]
            for rollout, reward in zip(self._rollouts, rewards, strict=True):
                rollout.reward = reward
        except Exception as error:
            kept = write_rollouts(self._folder.rollouts, step, self._rollouts)
            raise RewardFailed(
                f"the reward of step {step} failed with {type(error).__name__}: {error}; its responses are kept in "
                f"{kept}, and the same command goes on from the last whole step"
            ) from error
        return self._credited(rewards)

    def _credited(self, rewards: list[float | None]) -> list[float | None]:
        """Return the rewards that TRL learns from."""
        return rewards

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any, **kw: Any) -> Any:
        sample: Any = super()._generate_single_turn
        if self.use_vllm:
            return sample(prompt_ids, *args, **kw)
        at_once = SAMPLED_AT_ONCE * self.args.per_device_train_batch_size
        if self._rloo:
            return in_parts(prompt_ids, at_once, lambda part: sample(part, *args, **kw))
        return in_parts(prompt_ids, at_once, lambda part: sample(part, *args, **kw)[0]), None  # without logprobs

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        inputs = super()._prepare_inputs(generation_batch)
        buffered: Any = self._buffered_inputs
        if buffered is not self._sorted:  # a new step
            self._sorted = by_length(buffered)
            self._buffered_inputs = self._sorted  # type: ignore[assignment]  # TRL's own begins as None
            inputs = self._sorted[self._step % len(self._sorted)]
        return inputs

    def _compute_loss(self, model: Any, inputs: Batch) -> torch.Tensor:
        # GRPO's loss counts on responses as long as they were sampled.
        self._inputs = narrowed(inputs, response=self._rloo)
        loss: torch.Tensor = super()._compute_loss(model, self._inputs)  # type: ignore[no-untyped-call]
        return loss

    def _get_per_token_logps_and_entropies(self, model: Any, ids: Any, mask: Any, keep: int, *a: Any, **kw: Any) -> Any:
        """Keep the entropies; for RLOO, compute log-probabilities once rather than twice.

        TRL computes the log-probabilities of the sampling policy in a pass of their own. With one update for each
        batch of samples that policy is the one being updated: they are those of the pass with the gradient.
        """
        rloo, training = self._rloo, torch.is_grad_enabled()
        if rloo and not training:
            return torch.zeros(len(ids), keep, device=ids.device), None, None
        result = super()._get_per_token_logps_and_entropies(model, ids, mask, keep, *a, **kw)
        mask = mask[:, -keep:]
        if training and result[1] is not None:
            means = (result[1].detach() * mask).sum(1) / mask.sum(1).clamp(min=1)
            self._entropies.update(zip(self._inputs["rollout"].tolist(), means.tolist(), strict=True))
        if rloo:
            self._inputs["old_logps"] = (result[0].detach() * mask).sum(1)
        return result

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Keep a step's metrics and rollouts."""
        if "loss" in logs:  # and not the summary at the end of all
            for place, rollout in enumerate(self._rollouts):
                rollout.entropy = self._entropies.get(place)
            self._entropies.clear()
            rollouts: list[Rollout] = gather_object(self._rollouts)
            if self.accelerator.is_main_process:
                step, seconds = self.state.global_step, round(time.monotonic() - self._started, 3)
                own = {"grad_norm": logs.get("grad_norm"), "seconds": seconds}
                write_rollouts(self._folder.rollouts, step, rollouts)
                line = {"step": step, **step_metrics(rollouts), **own}
                self._folder.metrics.add(line)
                self._watcher(line)
        super().log(logs, start_time)

    def _save_checkpoint(self, model: Any, question_run: Any) -> None:
        super()._save_checkpoint(model, question_run)  # type: ignore[no-untyped-call]
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self._folder.seal(self.state.global_step)


class KeptRLOO(_Kept, RLOOTrainer):
    """RLOO (arXiv 2402.14740)."""


class KeptGRPO(_Kept, GRPOTrainer):
    """GRPO (arXiv 2402.03300)."""

    _rloo = False


def by_length(batches: Sequence[Batch]) -> list[Batch]:
    """Return the same rows in as many batches of the same size, with rows of similar length together.

    All batches of a step make one gradient, so it does not matter which row is in which.
    """
    masks = [batch["prompt_mask"].sum(1) + batch["completion_mask"].sum(1) for batch in batches]
    order = torch.argsort(torch.cat(masks), stable=True)
    joined = {
        name: torch.cat([batch[name] for batch in batches])
        for name, value in batches[0].items()
        if isinstance(value, torch.Tensor) and value.ndim > 0
    }
    return [
        {**batches[0], **{name: value[rows] for name, value in joined.items()}} for rows in order.chunk(len(batches))
    ]


def narrowed(batch: Batch, *, response: bool) -> Batch:
    """Remove the columns that are padding in every row: left of the prompts and, if asked for, right of responses."""
    longest = max(1, int(batch["prompt_mask"].sum(1).max()))
    cut = {name: batch[name][:, -longest:] for name in ("prompt_ids", "prompt_mask")}
    if response:
        longest = max(1, int(batch["completion_mask"].sum(1).max()))
        cut |= {name: batch[name][:, :longest] for name in ("completion_ids", "completion_mask")}
    return {**batch, **cut}


def in_parts(prompts: Sequence[list[int]], at_once: int, sample: Callable[[list[list[int]]], list[T]]) -> list[T]:
    """Sample for at most ``at_once`` prompts of similar length at a time; return the results in the prompts' order."""
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    results: dict[int, T] = {}
    for start in range(0, len(order), at_once):
        part = order[start : start + at_once]
        results.update(zip(part, sample([prompts[place] for place in part]), strict=True))
    return [results[place] for place in range(len(prompts))]


def remember_randomness() -> Callable[[], None]:
    """Save the generators of python, numpy and torch (all devices); return a function to restore them."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def put_back() -> None:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        torch.cuda.set_rng_state_all(cuda)

    return put_back


@dataclass(frozen=True, slots=True)
class HeldOutEvaluation:
    """An evaluation on held-out problems with gold answers: before, after and every so many steps of a training.

    The seed is the same at every step, so that steps are compared on equal terms.
    """

    questions: Sequence[Question]
    every: int = 0
    method: RSA = field(default_factory=RSA)
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 1234


class Evaluations(TrainerCallback):
    """The evaluations of a training; each adds a line ``{"step": ..., "evaluation": ...}`` to the metrics."""

    def __init__(self, evaluation: HeldOutEvaluation, folder: RunFolder, callback: Callback) -> None:
        self._evaluation, self._folder, self._watcher = evaluation, folder, callback
        self._done = {line["step"] for line in folder.metrics.lines() if "evaluation" in line}

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        step, every = state.global_step, self._evaluation.every
        if step == 0 or (every > 0 and step % every == 0):
            self._evaluate(step, **kwargs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._evaluate(state.global_step, **kwargs)

    def _evaluate(self, step: int, *, model: Any, processing_class: Any, **_: Any) -> None:
        if step in self._done:
            return
        put_back = remember_randomness()  # an evaluation changes nothing of what is sampled in training
        result = blocking(lambda: self._evaluated(model, processing_class, step))
        put_back()
        self._done.add(step)
        line = {"step": step, "evaluation": result}
        self._folder.metrics.add(line)
        self._watcher(line)

    async def _evaluated(self, model: Any, tokenizer: Any, step: int) -> dict[str, Any]:
        """Evaluate a model as it is now; return the object that ``selfagg eval --json`` prints."""
        held, record = self._evaluation, self._folder.evaluation(step)
        record.parent.mkdir(parents=True, exist_ok=True)
        async with HFModel(model, tokenizer, name=f"step {step}") as connection:
            given: dict[str, Any] = {"model": connection, "method": held.method, "sampling": held.sampling}
            found = await aevaluate(held.questions, record=record, seed=held.seed, **given)
        return found.to_dict()
