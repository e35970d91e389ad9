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
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from selfagg._internal.blocking import blocking
from selfagg._internal.files import sha256
from selfagg.errors import UsageError
from selfagg.methods.rsa import RSA
from selfagg.prompts.fit import DEFAULT_MAX_TOKENS
from selfagg.run.subsets import address_random
from selfagg.training.rows import TrainingRow, question_of, read_rows
from selfagg.training.run_folder import RunFolder
from selfagg.types import Sampling

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.rloo_config import RLOOConfig

    from selfagg.training.trainer import Callback, HeldOutEvaluation, RewardFunction, _Kept


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

    algorithm: Literal["rloo", "grpo"] = "rloo"
    steps: int = 300
    prompts: int = 256
    rollouts: int = 4
    learning_rate: float = 1e-6
    temperature: float = 1.0
    max_tokens: int = DEFAULT_MAX_TOKENS
    micro_batch: int = 8
    lora: int = 0
    vllm: Literal["colocate", "server"] | None = None
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


def train_on_set(model: str, data: Path, settings: RLSettings, out: Path, **how: Any) -> RunFolder:
    """Train a model by its name on the set that ``selfagg train data`` made, as `train` does.

    The name is a hub id, a folder, a .gguf file, or ``local``.
    """
    from selfagg.models.transformers.checkpoints import load, short_name

    name = model.removeprefix("hf:")
    checkpoint, rows = load(name, dtype=training_dtype(settings)), read_rows(data)
    digest = sha256(data / "train.parquet")
    about = {"model": short_name(name), "data": f"{data.resolve().name} (sha256 {digest[:16]})"}
    return train(checkpoint.model, checkpoint.tokenizer, rows, settings, out, about=about, **how)


def evaluation_on_set(
    data: Path, settings: RLSettings, method: RSA, every: int, limit: int | None
) -> HeldOutEvaluation:
    """Return an evaluation on a set's test split, its first ``limit`` problems.

    Temperature, token limit and seed are those of the training. Raises `UsageError` if the set has no test split.
    """
    from selfagg.training.trainer import HeldOutEvaluation

    questions = {row.id: question_of(row) for row in read_rows(data, "test")}
    if not questions:
        raise UsageError(f"--eval-every: {data} has no test split; make it with selfagg train data --held-out")
    sampling = Sampling(temperature=settings.temperature, max_tokens=settings.max_tokens)
    return HeldOutEvaluation([*questions.values()][:limit], every, method, sampling, settings.seed)


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

    The same call continues from the last whole checkpoint and repeats, on the same machine, what the lost steps had
    sampled and computed, bit by bit; with more ``settings.steps`` it goes on for longer. ``final``: the trained model.

    Args:
        model: In full precision. With ``settings.lora`` its own weights stay; the adapter is merged into what is saved.
        tokenizer: With a chat template. Answer tags must be no special tokens: responses are decoded without those.
        rows: The prompts; drawn in an order of their own, all once before any comes again.
        settings: See `RLSettings`.
        out: See `RunFolder`.
        reward: In TRL's form, ``reward(prompts, completions, completion_ids, **columns)``, async or not: a number for
            each completion or None where it cannot be scored; ``columns`` are those of `TrainingRow.columns`, and
            ``completions[j][-1]["content"]`` is the text. None: selfagg's own scorers.
        evaluation: RSA on held-out problems at chosen steps; None: none.
        trainer: Makes the trainer, from the arguments of `KeptGRPO`; None: by ``settings.algorithm``.
        save_every: Steps between checkpoints; 0: at the end only.
        about: Further facts that decide the training (the base model, the data), compared when it is continued.
        callback: Told of each line that ``metrics.jsonl`` gets.

    Raises:
        UsageError: Something given cannot work, or ``out`` belongs to another training or is damaged.
        RewardFailed: The reward function raised; what was done until then is kept.
    """
    from selfagg.models.transformers.checkpoints import require_chat_template
    from selfagg.training.trainer import Evaluations

    require_chat_template(tokenizer, "the model")
    _check_fit(model, tokenizer, rows, settings.max_tokens)
    folder, processes = RunFolder(out), _processes()
    with folder.held() if processes.is_main_process else nullcontext():
        with processes.main_process_first():
            checkpoint, done = _begun(folder, settings, about or {})
        if done >= settings.steps and folder.final.is_dir():
            return folder
        if evaluation is not None and processes.num_processes > 1:
            raise UsageError("evaluations during a training take a single process: evaluate its final model instead")
        reward = reward or _own_reward(model, tokenizer, rows, settings)
        given: dict[str, Any] = {"model": model, "processing_class": tokenizer, "reward": reward, "callback": callback}
        with _quiet():
            kept = _trainer(trainer, settings, rows, folder, save_every, **given)
            if evaluation is not None:
                kept.add_callback(Evaluations(evaluation, folder, callback))
            kept.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            _save_final(kept, tokenizer, folder)
        return folder


def _trainer(
    make: Callable[..., _Kept] | None,
    settings: RLSettings,
    rows: Sequence[TrainingRow],
    folder: RunFolder,
    save_every: int,
    **given: Any,
) -> _Kept:
    """Return the trainer that ``make`` makes; refuse weights that are shared out over processes."""
    from peft import LoraConfig
    from transformers.trainer_callback import PrinterCallback

    from selfagg.training.trainer import KeptGRPO, KeptRLOO

    rank = settings.lora
    lora: dict[str, Any] = {"r": rank, "lora_alpha": 2 * rank, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    kept = (make or (KeptRLOO if settings.algorithm == "rloo" else KeptGRPO))(
        rows=rows,
        folder=folder,
        train_dataset=_order(rows, settings),
        args=arguments(settings, folder, save_every),
        peft_config=LoraConfig(**lora) if rank else None,
        **given,
    )
    plugin = kept.accelerator.state.deepspeed_plugin
    if kept.is_fsdp_enabled or (plugin is not None and plugin.zero_stage == 3):
        raise UsageError("weights shared out over processes (ZeRO 3, FSDP) are not trained here: see examples/verl")
    kept.remove_callback(PrinterCallback)
    return kept


def training_dtype(settings: RLSettings) -> str:
    """Return the dtype in which to load a model for training.

    Full precision: at the paper's learning rate an update is too small for bfloat16 to hold, and would be rounded away
    (the passes themselves run in bfloat16 on a GPU). Weights that stay as they are, under an adapter, may be bfloat16.
    """
    import torch

    return "bfloat16" if settings.lora and torch.accelerator.is_available() else "float32"


def _processes() -> Any:
    """Return the processes that train together, as accelerate or torchrun started them."""
    import torch
    from accelerate import PartialState  # type: ignore[import-untyped]

    return PartialState(cpu=not torch.accelerator.is_available())


def _begun(folder: RunFolder, settings: RLSettings, about: Mapping[str, Any]) -> tuple[Path | None, int]:
    """Begin a folder or go on in it; return the checkpoint to go on from, if there is one, and its step."""
    from selfagg.training.cards import versions

    deciding = asdict(settings)
    steps = deciding.pop("steps")
    folder.begin({**about, **deciding}, may_differ={"steps": steps, "versions": versions()})
    checkpoint, done = folder.last_checkpoint() or (None, 0)
    if checkpoint:
        folder.check(checkpoint)
    folder.clear()
    folder.metrics.go_back(done)
    return checkpoint, done


def _check_fit(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[TrainingRow], max_tokens: int
) -> None:
    """Raise `UsageError` where a prompt and its response do not fit the model's context."""
    if not rows:
        raise UsageError("the training set has no rows")
    context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if context is None:
        return
    room, too_long = context - max_tokens, {}
    for row in rows:
        if row.prompt_tokens > room or not row.prompt_tokens:  # what is recorded may err upwards
            tokens: Any = tokenizer.apply_chat_template([*map(dict, row.prompt)], add_generation_prompt=True)
            if len(tokens["input_ids"]) > room:
                too_long[row.index] = len(tokens["input_ids"])
    if too_long:
        first = next(iter(too_long))
        raise UsageError(
            f"{len(too_long)} of {len(rows)} prompts do not fit: row {first} has {too_long[first]} tokens, and a "
            f"context of {context} leaves {room} beside {max_tokens} of a response (make the responses "
            "shorter, or the set with fewer tokens to a prompt)"
        )


def arguments(settings: RLSettings, folder: RunFolder, save_every: int) -> RLOOConfig | GRPOConfig:
    """Return TRL's arguments: for the CPU if there is no accelerator, in bfloat16 with gradient checkpointing on one.

    Raises:
        UsageError: A step cannot be shared out as asked for.
    """
    import torch
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.rloo_config import RLOOConfig

    gpu, together = torch.accelerator.is_available(), _processes().num_processes
    responses = settings.prompts * settings.repeats * settings.rollouts
    share, left = divmod(responses, together)
    if settings.repeats > 1 and settings.prompts % together:
        raise UsageError(f"{together} processes cannot share out {settings.prompts} prompts that are repeated equally")
    if left:
        raise UsageError(f"{together} processes cannot share out the {responses} responses of a step equally")
    at_once = max(size for size in range(1, settings.micro_batch + 1) if share % size == 0)
    told: dict[str, Any] = {
        "output_dir": str(folder.checkpoints),
        "max_steps": settings.steps,
        "num_generations": settings.rollouts,
        "max_completion_length": settings.max_tokens,
        "temperature": settings.temperature,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "constant",
        "beta": 0.0,
        "shuffle_dataset": False,  # the order is `_order`'s
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
        "gradient_accumulation_steps": share // at_once,
    }
    return RLOOConfig(**told) if settings.algorithm == "rloo" else GRPOConfig(scale_rewards="none", **told)


def _order(rows: Sequence[TrainingRow], settings: RLSettings) -> Dataset:
    """Return the prompts of all steps, as places, shuffled anew each round; more steps begin with those of fewer."""
    from datasets import Dataset

    wanted = settings.steps * settings.prompts
    places: list[int] = []
    for time in range(-(-wanted // len(rows))):
        places += address_random(settings.seed, "training order", time).sample(range(len(rows)), len(rows))
    return Dataset.from_dict({"row": [place for place in places[:wanted] for _ in range(settings.repeats)]})


def _own_reward(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[TrainingRow], settings: RLSettings
) -> RewardFunction:
    from selfagg.models.transformers.decoding import end_tokens
    from selfagg.training.reward import trl_reward, try_scoring

    blocking(lambda: try_scoring(question_of(row) for row in rows))
    return functools.partial(trl_reward, max_tokens=settings.max_tokens, end_ids=end_tokens(model, tokenizer))


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


def _save_final(trainer: _Kept, tokenizer: PreTrainedTokenizerBase, folder: RunFolder) -> None:
    from selfagg.models.transformers.checkpoints import save
    from selfagg.training.cards import model_card

    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    vars(base).pop("forward", None)  # TRL's, with its fused head
    if trainer.accelerator.is_main_process:
        save(model, tokenizer, folder.final)
        card = model_card(folder.settings(), folder.metrics.lines())
        (folder.final / "README.md").write_text(card, encoding="utf-8")
