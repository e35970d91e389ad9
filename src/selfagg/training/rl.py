"""Reinforcement learning on one machine: TRL's RLOO or GRPO trainer on plain and aggregation prompts.

    from selfagg.training.rl import RLSettings, train

    run = train(model, tokenizer, rows, RLSettings(steps=100, prompts=64, max_tokens=32, learning_rate=3e-4), out)
    run.metrics.lines()       # per step: reward, length, share cut, entropy, apart for plain and aggregation prompts

Standard RL (only plain rows) and aggregation-aware RL (half of the rows with candidates) differ in their rows alone.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfagg._internal.blocking import blocking
from selfagg.errors import UsageError
from selfagg.models.transformers.checkpoints import require_chat_template, save
from selfagg.training.arguments import adapter, arguments, order, processes
from selfagg.training.model_card import model_card, versions
from selfagg.training.rl_settings import RLSettings
from selfagg.training.rows import TrainingRow, question_of
from selfagg.training.run_folder import RunFolder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

    from selfagg.training.evaluation import HeldOutEvaluation
    from selfagg.training.trainer import Callback, RewardFunction, _Kept

__all__ = ["RLSettings", "train", "training_dtype"]


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[TrainingRow],
    settings: RLSettings,
    out: Path,
    *,
    reward: RewardFunction | None = None,
    evaluation: HeldOutEvaluation | None = None,
    trainer: Callable[..., _Kept] | None = None,
    save_every: int = 10,
    about: Mapping[str, Any] | None = None,
    callback: Callback = lambda line: None,
) -> RunFolder:
    """Train a model in place and save it as a folder; go on after a crash if called again.

    The same call with the same ``out`` continues from the last whole checkpoint and repeats, on the same machine, what
    the lost steps had sampled and computed, bit by bit. With more ``settings.steps`` it goes on for longer.

    Args:
        model: The model; full precision. With ``settings.lora`` its own weights stay, and the adapter is merged into
            what is saved alone.
        tokenizer: With a chat template. Answer tags must be no special tokens: responses are decoded without those.
        rows: The prompts; drawn in an order of their own, all once before any comes again.
        settings: The settings of the training.
        out: The folder of this training; see `RunFolder` for what is in it.
        reward: In TRL's form, ``reward(prompts, completions, completion_ids, **columns)``, async or not: a number for
            each completion or None where it cannot be scored. The columns are those of `Row.columns`, a value for each
            completion; ``completions[j][-1]["content"]`` is the text. None: selfagg's own scorers.
        evaluation: RSA on held-out problems at chosen steps; None: none.
        trainer: Makes the trainer, from the arguments of `KeptGRPO`; None: by ``settings.algorithm``.
        save_every: Steps between checkpoints; 0: at the end only.
        about: Further facts that decide the training (the base model, the data), to be compared when it is continued.
        callback: Told of each line that ``metrics.jsonl`` gets.

    Returns:
        The folder, ``final`` in it being the trained model.

    Raises:
        UsageError: Something given cannot work, or ``out`` belongs to another training or is damaged.
        RewardFailed: The reward function raised; what was done until then is kept.
    """
    from transformers.trainer_callback import PrinterCallback

    require_chat_template(tokenizer, "the model")
    _check_fit(model, tokenizer, rows, settings.max_tokens)
    folder = RunFolder(out)
    with folder.held() if processes().is_main_process else nullcontext():
        with _one_after_another():
            folder.begin(_deciding(settings, about or {}), may_differ={"steps": settings.steps, "versions": versions()})
            checkpoint = folder.last_checkpoint()
            if checkpoint:
                folder.check(checkpoint[0])
            folder.clear()
            done = checkpoint[1] if checkpoint else 0
            folder.metrics.go_back(done)
        if done >= settings.steps and folder.final.is_dir():
            return folder
        with _quiet():
            kept = (trainer or _trainer_class(settings))(
                rows=rows,
                folder=folder,
                reward=reward or _own_reward(model, tokenizer, rows, settings),
                callback=callback,
                model=model,
                processing_class=tokenizer,
                train_dataset=order(rows, settings),
                args=arguments(settings, folder, save_every),
                peft_config=adapter(settings.lora),
            )
            _require_whole_weights(kept)
            kept.remove_callback(PrinterCallback)
            if evaluation is not None:
                kept.add_callback(_evaluations(evaluation, folder, callback))
            kept.train(resume_from_checkpoint=str(checkpoint[0]) if checkpoint else None)
            _save_final(kept, tokenizer, folder)
        return folder


def _one_after_another() -> AbstractContextManager[None]:
    """Let the first of several processes that train together go alone, and then the others."""
    first: AbstractContextManager[None] = processes().main_process_first()
    return first


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars and developers' notes of the libraries off the terminal."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.filterwarnings("ignore", "You are using 'rollout_func'")
            warnings.filterwarnings("ignore", "Could not find a config file in")  # of a base out of a GGUF file
            yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _trainer_class(settings: RLSettings) -> type[_Kept]:
    from selfagg.training.trainer import KeptGRPO, KeptRLOO

    return KeptRLOO if settings.algorithm == "rloo" else KeptGRPO


def _deciding(settings: RLSettings, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings that decide the course of a training; the number of steps is none of them."""
    names = [name for name in RLSettings.__dataclass_fields__ if name != "steps"]
    return {**about, **{name: getattr(settings, name) for name in names}}


def _require_whole_weights(trainer: _Kept) -> None:
    plugin = trainer.accelerator.state.deepspeed_plugin
    if trainer.is_fsdp_enabled or (plugin is not None and plugin.zero_stage == 3):
        raise UsageError("weights shared out over processes (ZeRO 3, FSDP) are not trained here: see examples/verl")


def _evaluations(evaluation: HeldOutEvaluation, folder: RunFolder, callback: Callback) -> TrainerCallback:
    from selfagg.training.evaluation import Evaluations

    if processes().num_processes > 1:
        raise UsageError("evaluations during a training take a single process: evaluate its final model instead")
    return Evaluations(evaluation, folder, callback)


def _own_reward(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[TrainingRow], settings: RLSettings
) -> RewardFunction:
    from selfagg.models.transformers.decoding import end_tokens
    from selfagg.training.reward import trl_reward, try_scoring

    blocking(lambda: try_scoring(question_of(row) for row in rows))
    return functools.partial(trl_reward, max_tokens=settings.max_tokens, end_ids=end_tokens(model, tokenizer))


def _check_fit(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[TrainingRow], max_tokens: int
) -> None:
    """Raise `UsageError` where a prompt and its response do not fit the model's context."""
    if not rows:
        raise UsageError("the training set has no rows")
    context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if context is None:
        return
    room, lengths = context - max_tokens, {}
    for row in rows:
        if row.prompt_tokens > room or not row.prompt_tokens:  # what is recorded may err upwards
            tokens: Any = tokenizer.apply_chat_template([*map(dict, row.prompt)], add_generation_prompt=True)
            lengths[row.index] = len(tokens["input_ids"])
    if too_long := [index for index, tokens in lengths.items() if tokens > room]:
        first = too_long[0]
        raise UsageError(
            f"{len(too_long)} of {len(rows)} prompts do not fit: row {first} has {lengths[first]} tokens, and a "
            f"context of {context} leaves {room} beside {max_tokens} of a response (make the responses "
            "shorter, or the set with fewer tokens to a prompt)"
        )


def _save_final(trainer: _Kept, tokenizer: PreTrainedTokenizerBase, folder: RunFolder) -> None:
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    vars(base).pop("forward", None)  # TRL's, with its fused head
    if trainer.accelerator.is_main_process:
        save(model, tokenizer, folder.final)
        card = model_card(folder.settings(), folder.metrics.lines())
        (folder.final / "README.md").write_text(card, encoding="utf-8")


def training_dtype(settings: RLSettings) -> str:
    """Return the dtype in which to load a model for training.

    Full precision: at the paper's learning rate an update is too small for bfloat16 to hold, and would be rounded away
    (the passes themselves run in bfloat16 on a GPU). Weights that stay as they are, under an adapter, may be bfloat16.
    """
    import torch

    return "bfloat16" if settings.lora and torch.accelerator.is_available() else "float32"
