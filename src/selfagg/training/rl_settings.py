"""Settings of reinforcement learning; the defaults are the paper's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from selfagg.errors import UsageError
from selfagg.prompts.fit import DEFAULT_MAX_TOKENS

Algorithm = Literal["rloo", "grpo"]
Vllm = Literal["colocate", "server"]


@dataclass(frozen=True, slots=True)
class RLSettings:
    """The settings of a training (defaults: arXiv 2509.26626, section on aggregation-aware RL).

    A step samples ``rollouts`` responses to each of ``prompts`` prompts, rewards them, and updates the weights once.

    Attributes:
        algorithm: ``rloo``: leave-one-out baseline, log-probability of the whole response. ``grpo``: mean of the group
            as baseline, not divided by its deviation, loss averaged over tokens.
        steps: Updates of the weights; more of them go on with a training.
        prompts: Prompts of a step.
        rollouts: Responses to each prompt.
        learning_rate: Learning rate of AdamW, constant.
        temperature: Responses are sampled at this temperature.
        max_tokens: Most tokens of a response.
        micro_batch: Most responses that go through the model at once, forward and backward; a step takes its own in
            equal parts. Changes memory and time, not the gradient (but for rounding).
        lora: Rank of a LoRA adapter on all linear layers, merged at the end; 0: all weights are trained.
        vllm: vLLM samples the responses: ``colocate`` in this process, ``server``: a ``trl vllm-serve`` on this
            machine (transformers does).
        repeats: Copies of each prompt in a step, one after another: for trainers whose rollouts have several
            parts, as ``examples/end_to_end``.
        seed: Decides the order of prompts and what is sampled.
    """

    algorithm: Algorithm = "rloo"
    steps: int = 300
    prompts: int = 256
    rollouts: int = 4
    learning_rate: float = 1e-6
    temperature: float = 1.0
    max_tokens: int = DEFAULT_MAX_TOKENS
    micro_batch: int = 8
    lora: int = 0
    vllm: Vllm | None = None
    repeats: int = 1
    seed: int = 1234

    def __post_init__(self) -> None:
        if self.algorithm not in ("rloo", "grpo"):
            raise UsageError(f"algorithm {self.algorithm!r} is neither rloo nor grpo")
        if self.vllm not in (None, "colocate", "server"):
            raise UsageError(f"vllm {self.vllm!r} is neither colocate nor server")
        least = {"steps": 1, "prompts": 1, "rollouts": 2, "max_tokens": 1, "micro_batch": 1, "lora": 0, "repeats": 1}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise UsageError(f"{name} = {getattr(self, name)}, but it is at least {smallest}")
        for name in ("learning_rate", "temperature"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UsageError(f"{name} = {getattr(self, name)}, but it is a number above 0")

    @property
    def groups(self) -> int:
        """Return the groups of ``rollouts`` responses in a step."""
        return self.prompts * self.repeats

    @property
    def responses(self) -> int:
        """Return the number of responses of a step."""
        return self.groups * self.rollouts
