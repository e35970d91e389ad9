"""Plain calls: the client's body to the model's own server, and that server's answer to the client, as they are."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from selfagg.errors import ModelError
from selfagg.models.base import Forwarded, Forwards
from selfagg.models.openai.bodies import error_status, refusal_of
from selfagg.run.fair_limiter import FairLimiter
from selfagg.server.disconnect import Stream, opened
from selfagg.server.errors import APIError, api_error

_KEPT = ("content-type", "retry-after", "x-request-id", "openai-processing-ms", "openai-version")
_KEPT_PREFIX = "x-ratelimit-"


async def forwarded(
    request: Request, model: Forwards, call_limiter: FairLimiter, body: Mapping[str, Any], key: str | None
) -> Response:
    """Sends one plain call on and relays the answer while it comes; whoever hangs up ends it there too.

    Args:
        request: The client's request, its body read.
        model: Where it goes.
        call_limiter: Holds the calls in flight to a bound; this one waits its turn.
        body: What is sent: the client's, without what is this server's own.
        key: The client's key in the place of the server's own, or None.

    Raises:
        APIError: There was no answer, or the model's server failed.
    """
    sent = {name: value for name, value in body.items() if name != "rsa"}
    head: list[Forwarded] = []
    pieces = _pieces(model, call_limiter, sent, key, head)
    first = await opened(request, pieces)
    (answer,) = head
    headers = {name: value for name, value in answer.headers.items() if _kept(name.lower())}
    return Stream(first, pieces, answer.status, headers)


def _kept(name: str) -> bool:
    return name in _KEPT or name.startswith(_KEPT_PREFIX)


async def _pieces(
    model: Forwards, call_limiter: FairLimiter, body: Mapping[str, Any], key: str | None, head: list[Forwarded]
) -> AsyncGenerator[bytes, None]:
    begun = False
    try:
        async with call_limiter.request_limiter().enter(), model.forward(body, key=key) as answer:
            head.append(answer)
            if "event-stream" not in answer.headers.get("content-type", ""):
                # whole or not at all, so that what breaks off can still become an error's status
                yield _checked(answer, b"".join([piece async for piece in answer.body]))
                return
            begun = True
            yield b""  # status and headers, before the first event
            async for piece in answer.body:
                yield piece
    except ModelError as error:
        if not begun:
            raise api_error(error) from None
        yield b"\n\ndata: " + json.dumps(api_error(error).body).encode() + b"\n\ndata: [DONE]\n\n"


def _checked(answer: Forwarded, body: bytes) -> bytes:
    """The body of an answer that the client can have as it is: a completion, or an error of the client's own."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    status = answer.status if answer.status >= 400 else error_status(told) or answer.status
    if isinstance(told, Mapping) and status == answer.status < 500 and status not in (401, 403):
        return body
    refusal = refusal_of(status, told if told is not None else "", (), answer.headers)
    words = f": {refusal.message}" if refusal.message else ""
    if status in (401, 403):
        raise APIError(502, f"the model's server refused this server's key ({status})", code="backend_error")
    if status >= 500 or not isinstance(told, Mapping):
        status = max(status, 502)
    raise api_error(ModelError(f"the model's server answered {refusal.status}{words}", status=status))
