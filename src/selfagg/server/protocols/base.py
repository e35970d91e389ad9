"""The interface of an API: the reading of its requests as chat completions, and the writing of its answers."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel

from selfagg.server.deliberation import DeliberationResult
from selfagg.server.errors import APIError, as_json
from selfagg.server.events import Ended, Event, Piece, Progress

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Head:
    """The part of a request that every answer repeats.

    Attributes:
        id: The answer's id.
        body: The request as it came.
        created: Time of its arrival, in seconds since the epoch.
    """

    id: str
    body: Mapping[str, Any]
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def model(self) -> str:
        """Return the model's name as the client wrote it."""
        return str(self.body["model"])

    @property
    def progress(self) -> str | None:
        """Return the form in which the client wants to see the progress, or None."""
        rsa = self.body.get("rsa")
        return rsa.get("progress") if isinstance(rsa, Mapping) else None


class Writer(ABC):
    """A writer of the events of one deliberation, as a stream of one API."""

    silence: ClassVar[bytes] = KEEP_ALIVE

    def __init__(self, head: Head) -> None:
        self.head = head
        self._opened = False

    def write(self, event: Event) -> list[bytes]:
        """Return the bytes that tell of one event."""
        begun = [] if self._opened else self.begin()
        self._opened = True
        if event is None:
            return [*begun, self.silence]
        if isinstance(event, Progress):
            return [*begun, *self.progress(event)]
        if isinstance(event, Piece):
            return [*begun, *self.piece(event)]
        if isinstance(event, Ended):
            return [*begun, *self.ended(event)]
        return [*begun, *self.done(event)]

    @property
    def answer(self) -> Mapping[str, Any]:
        """Return the whole answer after the last event, for APIs that keep answers."""
        return {}

    def begin(self) -> list[bytes]:
        """Return the bytes before everything else."""
        return []

    @abstractmethod
    def progress(self, event: Progress) -> list[bytes]:
        """Return the bytes that tell of the work."""

    @abstractmethod
    def piece(self, event: Piece) -> list[bytes]:
        """Return the bytes of a piece of an answer."""

    @abstractmethod
    def ended(self, event: Ended) -> list[bytes]:
        """End an answer."""

    @abstractmethod
    def done(self, outcome: DeliberationResult) -> list[bytes]:
        """End the stream."""

    @abstractmethod
    def failed(self, error: APIError) -> list[bytes]:
        """End a stream that has begun with an error."""


class Api(ABC):
    """One API.

    Attributes:
        route: Its path below ``/v1``.
        prefix: Prefix of its answers' ids.
        names: Its own names for fields of chat completions, for errors.
        form: The form of its requests, for the OpenAPI document.
    """

    route: ClassVar[str]
    prefix: ClassVar[str]
    names: ClassVar[Mapping[str, str]] = {}
    form: ClassVar[type[BaseModel]]

    def head(self, body: Mapping[str, Any]) -> Head:
        """Return the head of a new answer."""
        return Head(f"{self.prefix}{secrets.token_hex(12)}", body)

    @abstractmethod
    def read(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the request in the form of chat completions; several where it asks several questions.

        Raises:
            APIError: It is not of this API's form.
        """

    @abstractmethod
    def whole(self, head: Head, outcomes: Sequence[DeliberationResult]) -> dict[str, Any]:
        """Return the whole answer, of one outcome for each question."""

    @abstractmethod
    def writer(self, head: Head) -> Writer:
        """Return a writer of the answer as a stream."""


def data(value: Mapping[str, Any]) -> bytes:
    """Return a server-sent event without a name."""
    return b"data: " + as_json(value) + b"\n\n"


def named(value: Mapping[str, Any]) -> bytes:
    """Return a server-sent event with its type as its name."""
    return f"event: {value['type']}\n".encode() + data(value)
