"""Connections to models: one file each; a new one adds a line to ``CONNECTIONS``. And which of them work here."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path

from selfagg import registry
from selfagg._internal.arguments import check_amounts, check_seconds, check_whole, did_you_mean
from selfagg._internal.blocking import blocking
from selfagg.errors import UsageError
from selfagg.models.base import Model, Portable, Streams
from selfagg.models.pace import RetryPolicy
from selfagg.models.transformers.checkpoints import is_checkpoint
from selfagg.models.weights import cached_weights, embedded_here

__all__ = ["CONNECTIONS", "Access", "Model", "Streams", "available_models", "connect", "opened"]


@dataclass(frozen=True, slots=True)
class Access:
    """The address, the keys and the limits with which to reach a model, beyond its name.

    Attributes:
        base_urls: Base URL of the model's server (default: OPENAI_BASE_URL); several times for several replicas.
        api_key_file: A file with the API key (default: OPENAI_API_KEY).
        headers: A further header for the server, NAME=VALUE, or NAME=@FILE for a secret; several times.
        api_key: The key itself, for those who have it at hand; before ``api_key_file``.
        context: Tokens of the model's context, where the server does not say or should not be believed.
        concurrency: Most calls at once (default: what the model serves well).
        timeout_s: Longest silence of the server within a reply, in seconds (3600; serve: 600).
        whole_s: Longest time of a whole reply, in seconds, however it comes.
        patience_s: Seconds to wait for a server that limits the rate, loads or is gone, while it answers nobody; inf
            waits for ever (300; serve: 30).
        retries: Rules for further tries of a call, for those who need more than ``patience_s`` to differ.
    """

    base_urls: tuple[str, ...] = ()
    api_key_file: Path | None = None
    context: int | None = None
    concurrency: int | None = None
    timeout_s: float | None = None
    patience_s: float | None = None
    retries: RetryPolicy | None = None
    headers: tuple[str, ...] = ()
    whole_s: float = math.inf
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_whole(context=self.context, concurrency=self.concurrency)
        check_amounts(context=self.context, concurrency=self.concurrency)
        check_seconds(timeout_s=self.timeout_s, patience_s=None if self.patience_s == math.inf else self.patience_s)


CONNECTIONS: dict[str, str] = {
    "hf": "selfagg.models.transformers.model",
    "local": "selfagg.models.llama_cpp",
    "openai": "selfagg.models.openai",
    "recorded": "selfagg.models.recorded",
    "simulated": "selfagg.models.simulated",
    "vllm": "selfagg.models.vllm",
}
"""Prefix of a model's name -> module with a function ``connect(name, access) -> Model``."""


def connect(name: str, access: Access | None = None) -> Model:
    """Return the connection to a model, not yet entered.

    Args:
        name: ``local``, ``local:PATH.gguf``, ``local:hf:REPOSITORY[:FILE]``, ``openai:NAME``, ``hf:NAME`` (of the
            hub, a folder, a GGUF file or ``local``), ``simulated:SETTINGS``, ``recorded:FILE``, or a folder that holds
            a model, which stands for ``hf:FOLDER``; ``vllm:NAME[,SETTING=VALUE...]``; or KIND:NAME of a package that
            registers a function ``connect(name, access) -> Model`` as ``selfagg.models``.
        access: Address and key.

    Raises:
        UsageError: There is no such kind of model, its name cannot be read, or it is not behind a base URL.
    """
    kind, _, rest = name.partition(":")
    access = access or Access()
    if kind not in CONNECTIONS:
        if (registered := registry.load("models", kind, object)) is not None:
            make = getattr(registered, "connect", registered)
            model = make(rest, access) if callable(make) else make
            if not isinstance(model, Model):
                raise UsageError(f"{kind}: the package that registers it must give a Model, not {type(model).__name__}")
            return model
        folder, kinds = Path(name).expanduser(), [*CONNECTIONS, *registry.registered("models")]
        if not is_checkpoint(folder):
            hint = did_you_mean(kind, kinds) or (
                f"a name begins with {', '.join(kinds)}, or is a folder that holds a model"
            )
            if folder.is_dir():
                hint = "that folder holds no model (no config.json)"
            raise UsageError(f"there is no model {name!r}; {hint}")
        kind, rest = "hf", name
    if kind != "openai" and (access.base_urls or access.api_key or access.api_key_file or access.headers):
        given = "base URL" if access.base_urls else "header" if access.headers else "API key"
        raise UsageError(f"{kind}: takes no {given}, as it runs in this process; openai:NAME is a model behind a URL")
    connection: Model = import_module(CONNECTIONS[kind]).connect(rest, access)
    return connection


@asynccontextmanager
async def opened(model: str | Model, access: Access | None = None) -> AsyncIterator[Model]:
    """Open the model of a name for the length of the block; a connection is used as it is."""
    if isinstance(model, Model) and not isinstance(model, Portable):
        yield model
        return
    async with model.here() if isinstance(model, Portable) else connect(model, access) as connection:
        yield connection


# -- what can be called from here


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
