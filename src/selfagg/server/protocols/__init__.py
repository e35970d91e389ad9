"""The APIs that clients speak, a file each: requests read as chat completions, and answers written."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from selfagg.server.deliberation import DeliberationResult, Event, tokens
from selfagg.server.errors import APIError, refused
from selfagg.server.fields import Form

KEEP_ALIVE: Final = b": keep-alive\n\n"


class Api(ABC):
    """One answer of one API: its request is read, and what happens is written, whole or as a stream."""

    route: ClassVar[str]  # below ``/v1``
    prefix: ClassVar[str]  # of its answers' ids
    names: ClassVar[Mapping[str, str]] = {}  # its own ones for fields of chat completions, for errors
    form: ClassVar[type[Form]]  # of its requests, for the OpenAPI document

    def __init__(self, body: Mapping[str, Any], digest: str | None = None) -> None:
        self.id = self.prefix + (digest or secrets.token_hex(24))
        self.model, self.created = str(body["model"]), int(time.time())
        rsa, options = body.get("rsa"), body.get("stream_options")
        self.shows = rsa.get("progress") if isinstance(rsa, Mapping) else None  # how the client wants to see progress
        self.includes_usage = isinstance(options, Mapping) and bool(options.get("include_usage"))

    @classmethod
    @abstractmethod
    def read(cls, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return a request in the form of chat completions; several where it asks several questions.

        Raises:
            APIError: It is not of this API's form.
        """

    @abstractmethod
    def whole(self, results: Sequence[DeliberationResult]) -> dict[str, Any]:
        """Return the whole answer, of one result for each question."""

    def begin(self) -> bytes:
        """Return the first bytes of a stream, before all events."""
        return b""

    @abstractmethod
    def write(self, event: Event) -> bytes:
        """Return the bytes that tell of one event in a stream."""

    def failed(self, error: APIError) -> bytes:
        """End a stream that has begun with an error."""
        return error.events(f"/v1/{self.route}")

    def object(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return an object of OpenAI's APIs with what every answer repeats."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, **fields}


def usage(result: DeliberationResult) -> dict[str, Any]:
    """Return the tokens of the client's own prompt and of the answer; all that was spent under ``selfagg``.

    Agents compare the prompt's tokens with the context window to decide when to shorten their history.
    """
    told = tokens(result.own)
    told["prompt_tokens_details"]["deliberation_tokens"] = result.spent.prompt
    told["completion_tokens_details"]["deliberation_tokens"] = result.spent.completion
    return {**told, "selfagg": result.account}


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
