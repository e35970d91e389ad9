"""The application: its routes, and what they share for as long as it runs."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.responses import PlainTextResponse, Response

from selfagg import __version__
from selfagg.server import page
from selfagg.server.access_log import AccessLog
from selfagg.server.auth import AuthMiddleware, Keys
from selfagg.server.bodies import Bodies
from selfagg.server.chat import Chat
from selfagg.server.disconnect import CLEANUPS
from selfagg.server.errors import APIError, documented, on_http_error
from selfagg.server.names import listed, pattern, served_name, suffix_of
from selfagg.server.schemas import ChatRequest
from selfagg.server.service import Service


def create_app(service: Service) -> FastAPI:
    """The application of a service, which is open for as long as the application runs."""
    app = FastAPI(
        title="selfagg",
        version=__version__,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.state.cleanups = asyncio.Semaphore(CLEANUPS)
    app.exception_handler(APIError)(on_http_error)
    app.exception_handler(404)(on_http_error)
    app.exception_handler(405)(on_http_error)
    app.exception_handler(Exception)(on_http_error)
    app.add_middleware(Bodies, limits=service.settings.limits)
    app.add_middleware(AuthMiddleware, keys=Keys(service.settings.keys))
    app.add_middleware(AccessLog, metrics=service.metrics)
    _add_routes(app, service)
    page.add_routes(app)
    app.openapi = lambda: _openapi(app, served_name(service.model.name))  # type: ignore[method-assign]
    return app


def _add_routes(app: FastAPI, service: Service) -> None:
    began = int(time.time())

    def told(name: str) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            "created": began,
            "owned_by": "selfagg",
            "max_model_len": service.model.context,
        }

    @app.post(
        "/v1/chat/completions",
        responses=_ANSWERS | documented(400, 401, 403, 404, 413, 429, 500, 502, 503, 504),
        openapi_extra=_body_schema(),
        response_model=None,
    )
    async def create_chat_completion(request: Request) -> Response:
        """A chat completion: deliberated, or plain where the request wants that."""
        return await Chat(service, request).answer()

    @app.get("/v1/models", responses=documented(401, 403))
    async def list_models() -> dict[str, Any]:
        """The model under each of its names."""
        names = listed(served_name(service.model.name), service.settings)
        return {"object": "list", "data": [told(name) for name in names]}

    @app.get("/v1/models/{model:path}", responses=documented(401, 403, 404))
    async def retrieve_model(model: str) -> dict[str, Any]:
        """One of its names."""
        suffix_of(model, served_name(service.model.name))
        return told(model)

    @app.get("/health", responses=documented(403))
    async def health() -> dict[str, Any]:
        """Whether the server is up, and how busy."""
        call_limiter = service.call_limiter
        return {
            "status": "ok",
            "open": service.admission.open,
            "calls": call_limiter.inside,
            "waiting": call_limiter.waiting,
        }

    @app.get("/metrics", responses=documented(401, 403), response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus's format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A chat completion, or its chunks as server-sent events",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}},
    }
}


def _body_schema() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ChatRequest"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _openapi(app: FastAPI, served: str) -> dict[str, Any]:
    if app.openapi_schema is None:
        told = get_openapi(title=app.title, version=app.version, routes=app.routes)
        _, models = models_json_schema([(ChatRequest, "validation")], ref_template="#/components/schemas/{model}")
        models["$defs"]["ChatRequest"]["properties"]["model"]["pattern"] = pattern(served)
        told.setdefault("components", {}).setdefault("schemas", {}).update(models["$defs"])
        app.openapi_schema = told
    return app.openapi_schema
