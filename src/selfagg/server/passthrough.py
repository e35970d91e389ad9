"""Plain calls: the client's body to the model's own server, and that server's answer to the client, as they are."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from selfagg.errors import ModelError
from selfagg.models.base import Forwarded, Forwards
from selfagg.models.openai.refusal import error_status, refusal
from selfagg.run.fair_limiter import FairLimiter
from selfagg.server.disconnect import Stream, opened
from selfagg.server.errors import APIError, api_error

_KEPT = ("content-type", "retry-after", "x-request-id", "request-id", "openai-processing-ms", "openai-version")
_KEPT_PREFIX = "x-ratelimit-"
_SENT: Final = ("anthropic-version", "anthropic-beta", "openai-beta")
_CHAT: Final = "chat/completions"


class NoRoute(APIError):
    """The model's server does not have this route."""

    def __init__(self, path: str, said: str = "") -> None:
        words = f" ({said})" if said else ""
        super().__init__(404, f"the model's server has no {path}{words}", code="route_not_found")


@dataclass(frozen=True)
class Call:
    """One call for the model's own server.

    Attributes:
        body: JSON values, or None.
        path: Below ``/v1``; absolute where it begins with a slash.
        method: HTTP's.
        key: The client's key in the place of the server's own, or None.
        headers: Further headers.
    """

    body: Mapping[str, Any] | None
    path: str = _CHAT
    method: str = "POST"
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def headers_for_backend(request: Request) -> dict[str, str]:
    """Return the client's headers that say which version of an API it speaks."""
    return {name: request.headers[name] for name in _SENT if name in request.headers}


async def forwarded(request: Request, model: Forwards, call_limiter: FairLimiter | None, call: Call) -> Response:
    """Send one plain call on and relay the answer while it comes; a client that hangs up ends the call there too.

    Args:
        request: The client's request, its body read.
        model: The model that gets the call.
        call_limiter: Holds the calls in flight to a bound; this one waits its turn. None: it takes no generation.
        call: The call that is sent.

    Raises:
        NoRoute: The model's server does not have the route.
        APIError: There was no answer, or the model's server failed.
    """
    head: list[Forwarded] = []
    pieces = _pieces(model, call_limiter, call, head, request.url.path)
    first = await opened(request, pieces)
    (answer,) = head
    headers = {name: value for name, value in answer.headers.items() if _kept(name.lower())}
    return Stream(first, pieces, answer.status, headers)


def _kept(name: str) -> bool:
    return name in _KEPT or name.startswith(_KEPT_PREFIX)


async def _pieces(
    model: Forwards, call_limiter: FairLimiter | None, call: Call, head: list[Forwarded], asked: str
) -> AsyncGenerator[bytes, None]:
    begun = False
    try:
        turn = call_limiter.request_limiter().enter() if call_limiter else contextlib.nullcontext()
        async with (
            turn,
            model.forward(call.body, key=call.key, path=call.path, method=call.method, headers=call.headers) as answer,
        ):
            head.append(answer)
            if "event-stream" not in answer.headers.get("content-type", ""):
                # whole or not at all, so that what breaks off can still become an error's status
                yield _checked(answer, b"".join([piece async for piece in answer.body]), call, asked)
                return
            begun = True
            yield b""  # status and headers, before the first event
            async for piece in answer.body:
                yield piece
    except ModelError as error:
        if not begun:
            raise api_error(error) from None
        yield b"\n\n" + api_error(error).events(asked)


def _checked(answer: Forwarded, body: bytes, call: Call, asked: str) -> bytes:
    """Return the body of an answer that the client can have as it is, or an error of the client's own."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if call.path != _CHAT and answer.status < 400 and (told is None or not isinstance(told, Mapping)):
        return body  # a list of scores, sound, text
    status = answer.status if answer.status >= 400 else error_status(told) or answer.status
    found = refusal(status, told, answer.headers)
    if status in (404, 405, 501) and call.path != _CHAT and not found.no_model:
        raise NoRoute(asked, found.message if status == 501 else "")
    if isinstance(told, Mapping) and status == answer.status < 500 and status not in (401, 403):
        return body
    words = f": {found.message}" if found.message else ""
    if status in (401, 403):
        raise APIError(502, f"the model's server refused this server's key ({status})", code="backend_error")
    if status >= 500 or not isinstance(told, Mapping):
        status = max(status, 502)
    raise api_error(ModelError(f"the model's server answered {found.status}{words}", status=status))
