"""Requests for the model's own server: plain calls, and routes that this server does not deliberate on.

The client's body goes to that server, and its answer to the client, as they are.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from selfagg.errors import ModelError
from selfagg.models.base import Forwarded, Forwards
from selfagg.models.openai.refusal import error_status, refusal
from selfagg.server.access import key_of
from selfagg.server.disconnect import Pieces, Stream, opened
from selfagg.server.errors import MESSAGES, APIError, Json, api_error, parsed, renamed
from selfagg.server.plan import suffix_of
from selfagg.server.protocols import Api
from selfagg.server.protocols.messages import MessagesApi
from selfagg.server.protocols.responses import ResponsesApi

if TYPE_CHECKING:
    from selfagg.server.service import Service

_COUNTS: Final[tuple[tuple[str, type[Api]], ...]] = (
    (f"{MESSAGES}/count_tokens", MessagesApi),
    ("/v1/responses/input_tokens", ResponsesApi),
)
RELAYED: Final = (
    *("/v1/embeddings", "/v1/rerank", "/v1/score", "/v1/pooling", "/v1/classify", "/v1/moderations"),
    *("/v1/audio/speech", "/v1/images/generations", "/v1/tokenize", "/v1/detokenize", "/v2/rerank"),
    *("/embeddings", "/rerank", "/score", "/pooling", "/classify"),
    *("/tokenize", "/detokenize", "/apply-template", "/infill"),
)
"""Routes of OpenAI, vLLM, SGLang and llama.cpp that compute something; none that rules a server."""

_CHAT: Final = "chat/completions"
_SENT: Final = ("anthropic-version", "anthropic-beta", "openai-beta")
_KEPT: Final = ("content-type", "retry-after", "x-request-id", "request-id", "openai-processing-ms", "openai-version")


class NoRoute(APIError):
    """The model's server does not have this route."""

    def __init__(self, path: str, said: str = "") -> None:
        words = f" ({said})" if said else ""
        super().__init__(404, f"the model's server has no {path}{words}", code="route_not_found")


async def passed_on(
    service: Service, request: Request, path: str, body: Mapping[str, Any] | None, *, generates: bool
) -> Response:
    """Send a request on and relay the answer while it comes; a client that hangs up ends the call there too.

    ``path`` is the route at the model's server, with its query: below ``/v1``, or absolute. A name of this server for
    the model becomes the model's own. A call that ``generates`` waits for its turn.

    Raises:
        NoRoute: The model has no server, or its server does not have the route.
        APIError: There was no answer, or the model's server failed.
    """
    request.scope["state"]["told"]["kind"] = "plain"
    if not isinstance(service.model, Forwards):
        raise NoRoute(request.url.path)
    if body and "model" in body:
        with contextlib.suppress(APIError):  # another model's name is left
            suffix_of(str(body["model"]), service.name, service.settings.routes)
            body = {**body, "model": service.name}
    forward = service.model.forward(
        body,
        key=(key_of(request.headers) or None) if service.settings.forward_key else None,
        path=path,
        method=request.method,
        headers={name: request.headers[name] for name in _SENT if name in request.headers},
    )
    turn = service.call_queue.request().enter() if generates else contextlib.nullcontext()
    head: list[Forwarded] = []

    async def pieces() -> Pieces:
        try:
            async with turn, forward as answer:
                first = b""  # status and headers, before the first event
                if "event-stream" not in answer.headers.get("content-type", ""):
                    # whole or not at all, so that what breaks off can still become an error's status
                    first = _checked(answer, b"".join([piece async for piece in answer.body]), path, request.url.path)
                head.append(answer)
                yield first
                async for piece in answer.body:  # nothing is left of a whole one
                    yield piece
        except ModelError as error:
            if not head:
                raise api_error(error) from None
            yield b"\n\n" + api_error(error).events(request.url.path)

    rest = pieces()
    first = await opened(request.receive, rest)
    (answer,) = head
    kept = [name for name in answer.headers if name.lower() in _KEPT or name.lower().startswith("x-ratelimit-")]
    return Stream(first, rest, answer.status, {name: answer.headers[name] for name in kept})


def _checked(answer: Forwarded, body: bytes, path: str, asked: str) -> bytes:
    """Return the body of an answer that the client can have as it is, or raise an error of the client's own."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if path != _CHAT and answer.status < 400 and not isinstance(told, Mapping):
        return body  # a list of scores, sound, text
    status = answer.status if answer.status >= 400 else error_status(told) or answer.status
    found = refusal(status, told, answer.headers)
    if status in (404, 405, 501) and path != _CHAT and not found.no_model:
        raise NoRoute(asked, found.message if status == 501 else "")
    if isinstance(told, Mapping) and status == answer.status < 500 and status not in (401, 403):
        return body
    words = f": {found.message}" if found.message else ""
    if status in (401, 403):
        raise APIError(502, f"the model's server refused this server's key ({status})", code="backend_error")
    if status >= 500 or not isinstance(told, Mapping):
        status = max(status, 502)
    raise api_error(ModelError(f"the model's server answered {found.status}{words}", status=status))


def add_routes(app: FastAPI, service: Service) -> None:
    """Add the routes that are the model's server's alone, and the counts of tokens."""

    async def relayed(request: Request) -> Response:
        with service.place():
            path, body = request.url.path, parsed(await request.body() or b"{}")
            generates = not path.endswith("tokenize")
            return await passed_on(service, request, path.removeprefix("/v1/"), body, generates=generates)

    for path in RELAYED:
        app.post(path, include_in_schema=False, response_model=None)(relayed)
    for path, api in _COUNTS:
        app.post(path, include_in_schema=False, response_model=None)(_counting(service, path, api))


def _counting(service: Service, path: str, api: type[Api]) -> Callable[[Request], Awaitable[Response]]:
    async def counted(request: Request) -> Response:
        """Count a prompt's tokens: by the model's own server, or where it has no such route, by the connection."""
        with service.place():
            body = parsed(await request.body() or b"{}")
            try:
                return await passed_on(service, request, path.removeprefix("/v1/"), body, generates=False)
            except NoRoute:
                with renamed(api.names):
                    (chat,) = api.read({"max_tokens": 1, **body})
            tokens = await service.model.count_tokens(chat["messages"])
            return Json({"input_tokens": tokens} | ({} if api is MessagesApi else {"object": "response.input_tokens"}))

    return counted
