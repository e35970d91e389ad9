"""`available_models`: the models that can be called from here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from selfagg._internal.blocking import blocking
from selfagg.models import Access
from selfagg.models.llama_cpp.embedded import cached_weights, embedded_here


@dataclass(frozen=True, slots=True)
class AvailableModel:
    """A model, or a kind of models, that `available_models` lists.

    Attributes:
        name: The model's name, as `selfagg.solve` and ``--model`` take it.
        ready: True if it can be used now.
        note: A description, or what is missing.
    """

    name: str
    ready: bool
    note: str


async def aavailable_models(access: Access | None = None) -> list[AvailableModel]:
    """Return the models that can be reached from here.

    Args:
        access: Servers to ask, key and headers; None: what OPENAI_BASE_URL and OPENAI_API_KEY say.
    """
    return [*_local(), *await _served(access or Access()), *_in_process(), *_unreal(), *_registered()]


def available_models(access: Access | None = None) -> list[AvailableModel]:
    """Return the same as `aavailable_models`, in code that is not asynchronous."""
    return blocking(lambda: aavailable_models(access))


def _local() -> list[AvailableModel]:
    engine = _version("xllamacpp")
    in_process = f"in this process, xllamacpp {engine}" if engine else "needs pip install 'selfagg[local]'"
    hub = find_spec("huggingface_hub") is not None
    weights = f"; weights: {embedded_here() or f'fetched on first use into {cached_weights()}'}" if engine else ""
    return [
        AvailableModel("local", bool(engine), f"SmolLM2-135M-Instruct, {in_process}{weights}"),
        AvailableModel("local:PATH.gguf", bool(engine), f"any GGUF file, {in_process}"),
        AvailableModel(
            "local:hf:REPOSITORY[:FILE]",
            bool(engine) and hub,
            f"a GGUF file of the Hugging Face hub, {in_process}" if hub else "needs pip install 'selfagg[hub]'",
        ),
    ]


async def _served(access: Access) -> list[AvailableModel]:
    from selfagg.errors import UsageError
    from selfagg.models.openai.address import read_address
    from selfagg.models.openai.credentials import Credentials
    from selfagg.models.openai.discovery import served_models

    urls: Sequence[str] = access.base_urls or list(filter(None, [os.environ.get("OPENAI_BASE_URL")]))
    if not urls:
        return [AvailableModel("openai:NAME", False, "name a server with --base-url, or set OPENAI_BASE_URL")]
    credentials = Credentials(access.api_key, access.api_key_file, access.headers)
    entries: list[AvailableModel] = []
    for url in urls:
        try:
            served = await served_models(url, credentials)
        except UsageError as error:
            entries.append(AvailableModel("openai:NAME", False, str(error)))
            continue
        for model in served:
            context = f", context {model.context:,}" if model.context else ""
            entries.append(AvailableModel(f"openai:{model.id}", True, f"at {read_address(url).url}{context}"))
    return entries


def _in_process() -> list[AvailableModel]:
    """Return the packages that run checkpoints here; find them without an import, which takes seconds."""
    transformers, vllm = _version("transformers"), _version("vllm")
    ready = bool(transformers and _version("torch"))
    return [
        AvailableModel(
            "hf:NAME",
            ready,
            f"a checkpoint of the hub, a folder or a GGUF file, in this process, transformers {transformers}"
            if ready
            else "needs pip install 'selfagg[hf]'",
        ),
        AvailableModel(
            "vllm:NAME[,SETTING=VALUE]",
            bool(vllm),
            f"a checkpoint of the hub or a folder, in this process, vLLM {vllm}"
            if vllm
            else "needs pip install 'selfagg[vllm]'",
        ),
    ]


def _unreal() -> list[AvailableModel]:
    return [
        AvailableModel("simulated:SETTINGS", True, "no language model: tests of the machinery, e.g. simulated:aime"),
        AvailableModel("recorded:FILE", True, "no language model: first samples out of a file of answers, for votes"),
    ]


def _registered() -> list[AvailableModel]:
    from selfagg.registry import registered

    return [
        AvailableModel(f"{name}:NAME", True, f"of the package {entry.dist.name if entry.dist else entry.value}")
        for name, entry in registered("models").items()
    ]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
