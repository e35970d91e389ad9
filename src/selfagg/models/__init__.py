"""Connections to models: one file each; a new one adds a line to ``CONNECTIONS``."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from selfagg import registry
from selfagg._internal.arguments import check_amounts, check_seconds, check_whole, did_you_mean
from selfagg.errors import UsageError
from selfagg.models.base import Model, Portable, Streams
from selfagg.models.pace import RetryPolicy
from selfagg.models.transformers.checkpoints import is_checkpoint

__all__ = ["CONNECTIONS", "Access", "Model", "Streams", "connect", "opened"]


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
