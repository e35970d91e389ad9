"""Settings of TRL made from settings of selfagg: arguments, the order of prompts, the adapter, the processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from selfagg.errors import UsageError
from selfagg.run.subsets import address_random
from selfagg.training.rl_settings import RLSettings
from selfagg.training.rows import TrainingRow
from selfagg.training.run_folder import RunFolder

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.rloo_config import RLOOConfig


def arguments(settings: RLSettings, folder: RunFolder, save_every: int) -> RLOOConfig | GRPOConfig:
    """Return TRL's arguments: for the CPU if there is no accelerator, in bfloat16 with gradient checkpointing on one.

    Raises:
        UsageError: A step cannot be shared out as asked for.
    """
    import torch
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.rloo_config import RLOOConfig

    gpu = torch.accelerator.is_available()
    at_once, parts = _in_parts(settings)
    told: dict[str, Any] = {
        "output_dir": str(folder.checkpoints),
        "max_steps": settings.steps,
        "num_generations": settings.rollouts,
        "max_completion_length": settings.max_tokens,
        "temperature": settings.temperature,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "constant",
        "beta": 0.0,
        "shuffle_dataset": False,  # the order is `order`'s
        "use_vllm": settings.vllm is not None,
        "vllm_mode": settings.vllm or "colocate",
        "use_cpu": not gpu,
        "bf16": gpu,
        "gradient_checkpointing": gpu,
        "seed": settings.seed,
        "save_steps": save_every or settings.steps,
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": "none",
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": parts,
    }
    return RLOOConfig(**told) if settings.algorithm == "rloo" else GRPOConfig(scale_rewards="none", **told)


def order(rows: Sequence[TrainingRow], settings: RLSettings) -> Dataset:
    """Return the prompts of all steps, as places, shuffled anew each round; more steps begin with those of fewer."""
    from datasets import Dataset

    wanted = settings.steps * settings.prompts
    places: list[int] = []
    for time in range(-(-wanted // len(rows))):
        places += address_random(settings.seed, "training order", time).sample(range(len(rows)), len(rows))
    return Dataset.from_dict({"row": [place for place in places[:wanted] for _ in range(settings.repeats)]})


def adapter(rank: int) -> Any:
    """Return a LoRA adapter of rank ``rank`` on all linear layers but the last; None for rank 0."""
    from peft import LoraConfig

    if not rank:
        return None
    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")


def processes() -> Any:
    """Return the processes that train together, as accelerate or torchrun started them."""
    import torch
    from accelerate import PartialState  # type: ignore[import-untyped]

    return PartialState(cpu=not torch.accelerator.is_available())


def _in_parts(settings: RLSettings) -> tuple[int, int]:
    """Return the most responses that one process can take at once, and the number of such equal parts in a step."""
    together: int = processes().num_processes
    share, left = divmod(settings.responses, together)
    if settings.repeats > 1 and settings.prompts % together:
        raise UsageError(f"{together} processes cannot share out {settings.prompts} prompts that are repeated equally")
    if left:
        raise UsageError(f"{together} processes cannot share out the {settings.responses} responses of a step equally")
    at_once = max(size for size in range(1, settings.micro_batch + 1) if share % size == 0)
    return at_once, share // at_once
