"""`available_models`: the models that can be called from here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import metadata

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
    weights = embedded_here() or f"fetched on first use into {cached_weights()}"

    def kind(name: str, extra: str, packages: str, note: str) -> AvailableModel:
        versions = [_version(package) for package in packages.split()]
        if None in versions:
            return AvailableModel(name, False, f"needs pip install 'selfagg[{extra}]'")
        return AvailableModel(name, True, note.replace("*", f"in this process, {packages.split()[0]} {versions[0]}", 1))

    registered = registry.registered("models").items()
    return [
        kind("local", "local", "xllamacpp", f"SmolLM2-135M-Instruct, *; weights: {weights}"),
        kind("local:PATH.gguf", "local", "xllamacpp", "any GGUF file, *"),
        kind(
            "local:hf:REPOSITORY[:FILE]",
            "local,hub",
            "xllamacpp huggingface_hub",
            "a GGUF file of the Hugging Face hub, *",
        ),
        *served,
        kind("hf:NAME", "hf", "transformers torch", "a checkpoint of the hub, a folder or a GGUF file, *"),
        kind("vllm:NAME[,SETTING=VALUE]", "vllm", "vLLM", "a checkpoint of the hub or a folder, *"),
        AvailableModel("simulated:SETTINGS", True, "no language model: tests of the machinery, e.g. simulated:aime"),
        AvailableModel("recorded:FILE", True, "no language model: first samples out of a file of answers, for votes"),
        *(
            AvailableModel(f"{name}:NAME", True, f"of the package {entry.dist.name if entry.dist else entry.value}")
            for name, entry in registered
        ),
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


def _version(package: str) -> str | None:
    """Return the version of an installed package, without an import, which takes seconds."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
