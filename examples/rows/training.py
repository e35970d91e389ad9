"""Supervised training of either model on lessons, step by step, from a checkpoint where there is one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.rows.lessons import Mix, lesson
from examples.rows.tokens import Encoded, batch, encoded, tensors

from selfagg.prompts.wording import Wording

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_AT_ONCE = 256
"""Tokens over whose vocabulary is computed at once: parts of one size, since PyTorch keeps memory for every size."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a training goes.

    Attributes:
        steps: Updates in all.
        batch: Lessons of an update.
        learning_rate: Of AdamW, reached after ``warm`` updates, falling to a twentieth in the last 40 %.
        at_once: Lessons that are computed at once; fewer take less memory and the same steps.
        warm: Updates until the learning rate is reached.
        seed: Decides all lessons.
        save_every: Updates between two checkpoints.
        wording: The words of the prompts.
        mix: How often the kinds of lessons come.
        whole_facts: See `encoded`.
    """

    steps: int
    batch: int
    learning_rate: float
    seed: int
    wording: Wording
    mix: Mix = field(default_factory=Mix)
    whole_facts: bool = False
    at_once: int = 32
    warm: int = 30
    save_every: int = 50

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        left = (self.steps - step) / (0.4 * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / self.warm) * max(0.05, min(1.0, left))


class Masters:
    """Weights in float32 behind a model that computes in bfloat16, whose small steps would be rounded away.

    Args:
        trained: The parameters to train, in any type.
    """

    def __init__(self, trained: Sequence[torch.nn.Parameter]) -> None:
        self._used = trained
        self.weights = [parameter.detach().float().clone() for parameter in trained]

    def take_gradients(self) -> None:
        """Move the gradients from the used weights to these."""
        for used, weight in zip(self._used, self.weights, strict=True):
            weight.grad = None if used.grad is None else used.grad.float()
            used.grad = None

    def give(self) -> None:
        """Copy these weights into the used ones."""
        for used, weight in zip(self._used, self.weights, strict=True):
            used.data.copy_(weight.data)


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    plan: Plan,
    checkpoint: Path,
    told: Callable[[str], None],
) -> None:
    """Train, in place, whatever of the model asks for gradients.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        plan: How.
        checkpoint: A file that is written now and then, and gone on from where it is there.
        told: Told of the progress.
    """
    import torch

    def encode(drawn: random.Random) -> Encoded:
        return encoded(lesson(drawn, plan.mix, plan.wording), tokenizer, whole=plan.whole_facts)

    masters = Masters([parameter for parameter in model.parameters() if parameter.requires_grad])
    optimizer = torch.optim.AdamW(masters.weights, lr=plan.learning_rate, weight_decay=0.0, betas=(0.9, 0.98))
    start, seconds = _restore(checkpoint, masters, optimizer)
    began, mean = time.monotonic() - seconds, None
    model.train()
    for step in range(start, plan.steps):
        lessons = batch(step, plan.batch, plan.seed, encode)
        loss = _gradients(model, lessons, int(tokenizer.pad_token_id), plan.at_once)
        masters.take_gradients()
        torch.nn.utils.clip_grad_norm_(masters.weights, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = plan.rate(step)
        optimizer.step()
        masters.give()
        mean = loss if mean is None else 0.95 * mean + 0.05 * loss
        spent = time.monotonic() - began
        if (step + 1) % 10 == 0:
            told(f"step {step + 1} of {plan.steps}: loss {mean:.3f}, {spent:.0f} s")
        if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
            _save(checkpoint, masters, optimizer, step + 1, spent)
    model.train(False)


def _gradients(model: PreTrainedModel, lessons: list[Encoded], padding: int, at_once: int) -> float:
    """Add up the gradients of the mean loss of an update, a few lessons at once; return that loss."""
    counted = sum(sum(lesson.weights) for lesson in lessons)
    total = 0.0
    for start in range(0, len(lessons), at_once):
        loss = _loss(model, *tensors(lessons[start : start + at_once], padding)) / counted
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total


def _loss(model: PreTrainedModel, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the loss of what counts, added up; the vocabulary is computed for those tokens alone.

    There is no mask: what pads a lesson stands behind it, where nothing that counts looks.
    """
    import torch
    from torch.nn.functional import cross_entropy

    whole: Any = model
    body, head = whole.get_decoder(), whole.get_output_embeddings()
    hidden, weights = body(input_ids=ids).last_hidden_state[:, :-1], weights[:, 1:]
    counts = weights > 0
    parts = zip(*(part[counts].split(_AT_ONCE) for part in (hidden, ids[:, 1:], weights)), strict=True)
    losses = [(cross_entropy(head(h).float(), i, reduction="none") * w).sum() for h, i, w in parts]
    return torch.stack(losses).sum()


def _save(path: Path, masters: Masters, optimizer: torch.optim.Optimizer, step: int, seconds: float) -> None:
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    in_thread_if_large = path.with_suffix(".part")
    torch.save(
        {"weights": masters.weights, "optimizer": optimizer.state_dict(), "step": step, "seconds": seconds},
        in_thread_if_large,
    )
    in_thread_if_large.replace(path)


def _restore(path: Path, masters: Masters, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Go on from a checkpoint; return the steps done and the seconds that they took."""
    import torch

    if not path.is_file():
        return 0, 0.0
    kept = torch.load(path, weights_only=True)
    with torch.no_grad():
        for weight, old in zip(masters.weights, kept["weights"], strict=True):
            weight.copy_(old)
    masters.give()
    optimizer.load_state_dict(kept["optimizer"])
    return int(kept["step"]), float(kept["seconds"])
