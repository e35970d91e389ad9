"""Routes that this server does not deliberate on: the model's own server answers them, or the API's error says so."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from selfagg.server.errors import MESSAGES, Json, renamed
from selfagg.server.exchange import relayed
from selfagg.server.passthrough import NoRoute
from selfagg.server.protocols import ResponsesApi
from selfagg.server.protocols.messages import conversation
from selfagg.server.schemas import parse
from selfagg.server.service import Service

COUNTS: Final = ("/v1/messages/count_tokens", "/v1/responses/input_tokens")

RELAYED: Final = (
    *("/v1/embeddings", "/v1/rerank", "/v1/score", "/v1/pooling", "/v1/classify", "/v1/moderations"),
    *("/v1/audio/speech", "/v1/images/generations", "/v1/tokenize", "/v1/detokenize", "/v2/rerank"),
    *("/embeddings", "/rerank", "/score", "/pooling", "/classify"),
    *("/tokenize", "/detokenize", "/apply-template", "/infill"),
)
"""Routes of OpenAI, vLLM, SGLang and llama.cpp that compute something; none that rules a server."""


async def passed_on(service: Service, request: Request) -> Response:
    """Pass a request on.

    Raises:
        APIError: The model's server does not have the route, or failed.
    """
    with service.admission.enter():
        path = request.url.path
        return await relayed(service, request, path.removeprefix("/v1/"), generates=not path.endswith("tokenize"))


async def counted(service: Service, request: Request) -> Response:
    """Count a prompt's tokens: by the model's own server, or where it has no such route, by the connection.

    Raises:
        APIError: The request is not of its API's form.
    """
    with service.admission.enter():
        path = request.url.path
        try:
            return await relayed(service, request, path.removeprefix("/v1/"))
        except NoRoute:
            body = parse(await request.body())
        if path.startswith(MESSAGES):
            messages = conversation(body)
        else:
            with renamed(ResponsesApi.names):
                messages = ResponsesApi().read(body)[0]["messages"]
        tokens = await service.model.count_tokens(messages)
        return Json(
            {"input_tokens": tokens} | ({} if path.startswith(MESSAGES) else {"object": "response.input_tokens"})
        )
