"""The APIs that clients speak, a file each: requests read as chat completions, and answers written."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from selfagg.server.deliberation import DeliberationResult, tokens
from selfagg.server.errors import APIError, as_json, refused
from selfagg.server.events import Ended, Event, Piece, Progress
from selfagg.server.requests import Form

KEEP_ALIVE = b": keep-alive\n\n"


class Api(ABC):
    """One answer of one API: its request is read, and what happens is written, whole or as a stream.

    Attributes:
        route: The API's path below ``/v1``.
        prefix: Prefix of its answers' ids.
        names: Its own names for fields of chat completions, for errors.
        form: The form of its requests, for the OpenAPI document.
        silence: Bytes for a stream in which nothing has happened for a while.
        body: The request as it came.
        id: The answer's id.
    """

    route: ClassVar[str]
    prefix: ClassVar[str]
    names: ClassVar[Mapping[str, str]] = {}
    form: ClassVar[type[Form]]
    silence: ClassVar[bytes] = KEEP_ALIVE

    def __init__(self, body: Mapping[str, Any], name: str | None = None) -> None:
        self.body = body
        self.id = name or f"{self.prefix}{secrets.token_hex(24)}"
        self.model = str(body["model"])
        self.created = int(time.time())
        self._begun = False

    @classmethod
    @abstractmethod
    def read(cls, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return a request in the form of chat completions; several where it asks several questions.

        Raises:
            APIError: It is not of this API's form.
        """

    @abstractmethod
    def whole(self, outcomes: Sequence[DeliberationResult]) -> dict[str, Any]:
        """Return the whole answer, of one outcome for each question."""

    def write(self, event: Event) -> bytes:
        """Return the bytes that tell of one event in a stream."""
        begun, self._begun = b"" if self._begun else self.begin(), True
        match event:
            case None:
                return begun + self.silence
            case Progress():
                return begun + self.progress(event)
            case Piece():
                return begun + self.piece(event)
            case Ended():
                return begun + self.ended(event)
            case DeliberationResult():
                return begun + self.done(event)

    def begin(self) -> bytes:
        """Return the bytes before everything else."""
        return b""

    @abstractmethod
    def progress(self, event: Progress) -> bytes:
        """Return the bytes that tell of the work."""

    @abstractmethod
    def piece(self, event: Piece) -> bytes:
        """Return the bytes of a piece of an answer."""

    @abstractmethod
    def ended(self, event: Ended) -> bytes:
        """End an answer."""

    @abstractmethod
    def done(self, outcome: DeliberationResult) -> bytes:
        """End the stream."""

    def failed(self, error: APIError) -> bytes:
        """End a stream that has begun with an error."""
        return error.events(f"/v1/{self.route}")

    @property
    def told(self) -> Mapping[str, Any]:
        """Return the whole answer after the last event, for APIs that keep answers."""
        return {}

    @property
    def shows(self) -> str | None:
        """Return the form in which the client wants to see the progress, or None."""
        rsa = self.body.get("rsa")
        return rsa.get("progress") if isinstance(rsa, Mapping) else None

    @property
    def includes_usage(self) -> bool:
        """Return True if the request for a stream asks for the tokens."""
        options = self.body.get("stream_options")
        return isinstance(options, Mapping) and bool(options.get("include_usage"))

    def object(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return an object of OpenAI's APIs with what every answer repeats."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, **fields}


def usage(outcome: DeliberationResult) -> dict[str, Any]:
    """Return the tokens of the client's own prompt and of the answer; all that was spent under ``selfagg``.

    Agents compare the prompt's tokens with the context window to decide when to shorten their history.
    """
    told = tokens(outcome.own)
    told["prompt_tokens_details"]["deliberation_tokens"] = outcome.spent.prompt
    told["completion_tokens_details"]["deliberation_tokens"] = outcome.spent.completion
    return {**told, "selfagg": outcome.account}


def data(value: Mapping[str, Any]) -> bytes:
    """Return a server-sent event without a name."""
    return b"data: " + as_json(value) + b"\n\n"


def named(value: Mapping[str, Any]) -> bytes:
    """Return a server-sent event with its type as its name."""
    return f"event: {value['type']}\n".encode() + data(value)


def comment(line: str) -> bytes:
    """Return a server-sent event that clients skip."""
    return f": {line}\n\n".encode()


# -- parts of a conversation in the words of chat completions


def role_of(message: Mapping[str, Any], roles: Sequence[str], where: str) -> str:
    """Return the role of a message; raise APIError if it is none of these."""
    if (role := message.get("role")) not in roles:
        raise refused(f"{where}.role: {str(role)[:100]!r} is no role of a message", f"{where}.role")
    return str(role)


def parts_of(content: object, where: str, kind: str) -> list[Mapping[str, Any]]:
    """Return the parts of a message's content, which has parts of this ``kind``; raise APIError if it has none."""
    if not isinstance(content, list) or not all(isinstance(part, Mapping) for part in content):
        raise refused(f"{where}: it is text, or a list of {kind}", where)
    return content


def joined(parts: Sequence[dict[str, Any]]) -> Any:
    """Return parts as one text where all are text, else as they are."""
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def called(name: object, call_id: object, arguments: str) -> dict[str, Any]:
    """Return a tool call."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
