"""TRL's trainers, made to keep what they sample, to go on after a fault, and to waste no work on padding.

What is overridden here are TRL's inner methods (1.16): the algorithms themselves stay TRL's own.
"""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import gather_object  # type: ignore[import-untyped]
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer

from selfagg.errors import SelfaggError
from selfagg.training.batches import by_length, in_parts, narrowed
from selfagg.training.metrics import flat, summary
from selfagg.training.randomness import remember
from selfagg.training.rollouts import Rollout, write_rollouts
from selfagg.training.rows import TrainingRow
from selfagg.training.run_folder import RunFolder

if TYPE_CHECKING:
    _Trainer = RLOOTrainer
else:
    _Trainer = object

SAMPLED_AT_ONCE = 16
"""Micro-batches' worth of responses that transformers samples at once."""

RewardFunction = Callable[..., "Sequence[float | None] | Awaitable[Sequence[float | None]]"]
"""As TRL calls it: ``(prompts, completions, completion_ids, **columns)``, the columns being those of `Row.columns`."""

Callback = Callable[[dict[str, Any]], None]
"""A function that receives each line of the metrics."""


class RewardFailed(SelfaggError):
    """A reward function raised."""


class _Kept(_Trainer):
    """The methods that both trainers share."""

    def __init__(
        self, *, rows: Sequence[TrainingRow], folder: RunFolder, reward: RewardFunction, callback: Callback, **trl: Any
    ) -> None:
        """Take TRL's arguments in ``trl``; TRL's data set holds nothing but places in ``rows``."""
        self._rows = rows
        self._folder = folder
        self._reward = reward
        self._watcher = callback
        self._sampled_rows: list[TrainingRow] = []
        self._rollouts: list[Rollout] = []
        self._entropies: dict[int, float] = {}
        self._inputs: dict[str, Any] = {}
        self._sorted: list[dict[str, Any]] = []
        self._started = time.monotonic()
        super().__init__(reward_funcs=self._rewarded, **trl)  # type: ignore[arg-type]  # TRL takes it async too

    @property
    def _at_once(self) -> int:
        """Return the most responses to sample at once: more than an update takes, since sampling needs no gradients."""
        return SAMPLED_AT_ONCE * self.args.per_device_train_batch_size

    @property
    def _ends(self) -> set[int]:
        """Return the tokens that end a response; a response that ends with another token was cut."""
        return {*self.eos_token_ids, self._tokenizer.pad_token_id}

    def _send_telemetry(self) -> None:
        """Send nothing, unlike TRL."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write no card here: selfagg's own card comes with the trained model."""

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._started = time.monotonic()
        self._sampled_rows = [self._rows[place["row"]] for place in inputs]
        columns = [row.columns() for row in self._sampled_rows]
        put_back = remember()
        try:
            output: dict[str, Any] = super()._generate_and_score_completions(columns)
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
        self._rollouts = [
            _rollout(self.state.global_step + 1, row, completion, ids, cut=ids[-1] not in self._ends)
            for row, completion, ids in zip(self._sampled_rows, completions, completion_ids, strict=True)
        ]
        try:
            given = self._reward(prompts, completions, completion_ids, **columns)
            given = await given if inspect.isawaitable(given) else given
            rewards = [None if reward is None or math.isnan(reward) else float(reward) for reward in given]
            for rollout, reward in zip(self._rollouts, rewards, strict=True):
                rollout.reward = reward
        except Exception as error:
            step = self.state.global_step + 1
            kept = write_rollouts(self._folder.rollouts, step, self._rollouts)
            raise RewardFailed(
                f"the reward of step {step} failed with {type(error).__name__}: {error}; its responses are kept in "
                f"{kept}, and the same command goes on from the last whole step"
            ) from error
        return self._credited(rewards)

    def _credited(self, rewards: list[float | None]) -> list[float | None]:
        """Return the rewards that TRL learns from."""
        return rewards

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        inputs = super()._prepare_inputs(generation_batch)
        buffered: Any = self._buffered_inputs
        if buffered is not self._sorted:  # a new step
            self._sorted = by_length(buffered)
            self._buffered_inputs = self._sorted  # type: ignore[assignment]  # TRL's own begins as None
            inputs = self._sorted[self._step % len(self._sorted)]
        return inputs

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        self._inputs = inputs
        loss: torch.Tensor = super()._compute_loss(model, inputs)  # type: ignore[no-untyped-call]
        return loss

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        *args: Any,
        **kw: Any,
    ) -> Any:
        result = super()._get_per_token_logps_and_entropies(
            model, input_ids, attention_mask, logits_to_keep, *args, **kw
        )
        if torch.is_grad_enabled() and result[1] is not None:
            mask = attention_mask[:, -logits_to_keep:]
            means = (result[1].detach() * mask).sum(1) / mask.sum(1).clamp(min=1)
            self._entropies.update(zip(self._inputs["rollout"].tolist(), means.tolist(), strict=True))
        return result

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Add a step's own metrics to those that TRL logs; keep the metrics and the step's rollouts."""
        if "loss" in logs:  # and not the summary at the end of all
            logs = {**logs, **flat(self._kept_step(logs.get("grad_norm")))}
        super().log(logs, start_time)

    def _kept_step(self, grad_norm: float | None) -> dict[str, Any]:
        for place, rollout in enumerate(self._rollouts):
            rollout.entropy = self._entropies.get(place)
        self._entropies.clear()
        rollouts: list[Rollout] = gather_object(self._rollouts)
        metrics, step = summary(rollouts), self.state.global_step
        if self.accelerator.is_main_process:
            seconds = round(time.monotonic() - self._started, 3)
            line = {"step": step, **metrics, "grad_norm": grad_norm, "seconds": seconds}
            write_rollouts(self._folder.rollouts, step, rollouts)
            self._folder.metrics.add(line)
            self._watcher(line)
        return metrics

    def _save_checkpoint(self, model: Any, question_run: Any) -> None:
        super()._save_checkpoint(model, question_run)  # type: ignore[no-untyped-call]
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self._folder.seal(self.state.global_step)


class KeptRLOO(_Kept, RLOOTrainer):
    """RLOO (arXiv 2402.14740)."""

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any) -> Any:
        sample = super()._generate_single_turn
        if self.use_vllm:
            return sample(prompt_ids, *args)  # type: ignore[no-untyped-call]
        return in_parts(prompt_ids, self._at_once, lambda part: sample(part, *args))  # type: ignore[no-untyped-call]

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        return super()._compute_loss(model, narrowed(inputs, response=True))

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        *args: Any,
        **kw: Any,
    ) -> Any:
        """Compute log-probabilities once rather than twice.

        TRL computes the log-probabilities of the sampling policy in a pass of their own. With one update for each
        batch of samples that policy is the one being updated: they are those of the pass with the gradient.
        """
        if not torch.is_grad_enabled():
            return torch.zeros(len(input_ids), logits_to_keep, device=input_ids.device), None, None
        result = super()._get_per_token_logps_and_entropies(
            model, input_ids, attention_mask, logits_to_keep, *args, **kw
        )
        self._inputs["old_logps"] = (result[0].detach() * attention_mask[:, -logits_to_keep:]).sum(1)
        return result


class KeptGRPO(_Kept, GRPOTrainer):
    """GRPO (arXiv 2402.03300)."""

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any, **kw: Any) -> Any:
        sample = super()._generate_single_turn
        if self.use_vllm:
            return sample(prompt_ids, *args, **kw)  # type: ignore[no-untyped-call]
        without_logprobs = in_parts(prompt_ids, self._at_once, lambda part: sample(part, *args, **kw)[0])  # type: ignore[no-untyped-call]
        return without_logprobs, None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        return super()._compute_loss(model, narrowed(inputs, response=False))


def _rollout(step: int, row: TrainingRow, completion: Any, ids: Sequence[int], *, cut: bool) -> Rollout:
    text = completion if isinstance(completion, str) else str(completion[-1].get("content") or "")
    return Rollout(step, row.index, row.id, row.aggregation, row.k, row.c, 1, 0, text, None, len(ids), cut)
