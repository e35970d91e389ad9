"""The interface of a model: one reply to one request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from selfagg.types import Delta, Message, Reply, Request

if TYPE_CHECKING:
    from selfagg.models.limiter import Limiter


@runtime_checkable
class Model(Protocol):
    """One connection to one model; a file of this package each.

    A connection is an async context manager. Entering it reaches the model (loads the weights, asks the server
    for its models and context length) and raises `UsageError` with one clear sentence if that cannot be done.
    """

    name: str  # in records, e.g. ``openai:Qwen/Qwen3-4B-Instruct-2507``; no keys, no addresses
    concurrency: int  # calls at once that the model serves well, if the user names none
    context: int | None  # tokens of prompt and reply together; None: nobody said; known after entering

    async def sample(self, request: Request) -> Reply:
        """Sample one reply. Try again what may pass by itself.

        Cancelling the call stops the generation.

        Raises:
            ModelError: The call failed for good.
            ContextOverflow: The prompt does not fit the model's context.
        """
        ...

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return tokens of this conversation as a prompt, chat template included; an estimate errs upwards."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class AlwaysOpen:
    """The context manager of a connection that has nothing to open or to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        return None


@runtime_checkable
class Limited(Protocol):
    """A connection to servers that are asked at the pace that they take."""

    limiter: Limiter[Any]


@runtime_checkable
class Streams(Protocol):
    """A connection that can hand a reply out while it is written; one that cannot gives it whole."""

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Sample one reply in pieces; the last item is the whole `Reply`. Raises as `Model.sample` does."""
        ...


@runtime_checkable
class Portable(Protocol):
    """A connection that can be used in any event loop, so from `selfagg.solve` too."""

    def here(self) -> AbstractAsyncContextManager[Model]: ...


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A server's answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]  # pieces as they arrive; raises `ModelError` where it breaks off


@runtime_checkable
class Forwards(Protocol):
    """A connection to a server of the OpenAI API, which takes a request's body as it is."""

    def forward(
        self,
        body: Mapping[str, Any] | None,
        *,
        key: str | None = None,
        path: str = "chat/completions",
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[Forwarded]:
        """Send a body as it is, and give whatever is answered; tried once.

        Leaving the ``async with`` block closes the connection, so the server stops writing.

        Args:
            body: JSON values, with the model's name at the server; None: no body.
            key: An API key in the place of the connection's own.
            path: The route, below ``/v1``; below the server's root where it begins with a slash.
            method: HTTP's.
            headers: Further headers.

        Raises:
            ModelError: There was no answer.
        """
        ...


def fingerprint(messages: Sequence[Message]) -> str:
    """Return a short hash of a prompt, for records."""
    text = json.dumps(list(map(dict, messages)), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def text_bytes(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return the UTF-8 bytes of all text in a conversation: no byte-level tokenizer makes more tokens of it."""
    total = 0
    for message in messages:
        content = message.get("content") or ""
        if not isinstance(content, str):
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
        total += len(content.encode("utf-8", "surrogatepass"))
    return total
