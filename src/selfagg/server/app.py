"""The application: its routes, in front of a service that they share."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response

from selfagg import __version__
from selfagg.server import kept_responses, page, passthrough
from selfagg.server.access import PAGES_HERE, AccessMiddleware
from selfagg.server.errors import ERRORS, APIError, on_http_error
from selfagg.server.monitoring import MonitoringMiddleware
from selfagg.server.plan import listed, pattern, suffix_of
from selfagg.server.protocols import Api
from selfagg.server.service import APIS, Exchange, Service

_CORS: Final[dict[str, Any]] = {
    "allow_methods": ("GET", "POST", "DELETE", "OPTIONS"),
    "allow_headers": ("*",),
    "allow_private_network": True,
    "expose_headers": ("X-Selfagg-Ignored", "X-Selfagg-Warning", "X-Selfagg-Spent", "Retry-After", "X-Request-Id"),
}
"""Headers for pages of an allowed site, which may ask before each request and read our headers."""


def create_app(service: Service) -> FastAPI:
    """Create the application of a service; the service is open for as long as the application runs."""
    app = FastAPI(title="selfagg", version=__version__, docs_url=None, redoc_url=None, responses=ERRORS)
    for kind in (APIError, 404, 405, Exception):
        app.exception_handler(kind)(on_http_error)
    origins = service.settings.allow_origins
    app.add_middleware(AccessMiddleware, settings=service.settings)
    app.add_middleware(CORSMiddleware, allow_origins=origins, allow_origin_regex=PAGES_HERE, **_CORS)
    app.add_middleware(MonitoringMiddleware, metrics=service.metrics)
    for api in APIS:
        _add_api(app, service, api)
    kept_responses.add_routes(app, service)
    passthrough.add_routes(app, service)
    _add_models(app, service)
    _add_state(app, service)
    page.add_routes(app, service.settings)
    app.openapi = lambda: app.openapi_schema or _openapi(app, service)  # type: ignore[method-assign]
    return app


def _add_api(app: FastAPI, service: Service, api: type[Api]) -> None:
    schema = {"$ref": f"#/components/schemas/{api.form.__name__}"}
    content = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}}

    @app.post(
        f"/v1/{api.route}",
        name=f"create_{api.route.replace('/', '_')}",
        responses={200: {"description": "The answer, or its events as a stream", "content": content}},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}},
        response_model=None,
    )
    async def create(request: Request) -> Response:
        """Answer a request: deliberate, or pass it on plainly if the request wants that."""
        return await Exchange(service, request, api).answer()


def _add_models(app: FastAPI, service: Service) -> None:
    began = int(time.time())

    def told(name: str) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            "created": began,
            "owned_by": "selfagg",
            "max_model_len": service.model.context,
            "type": "model",  # from here on in the words of Anthropic's clients
            "display_name": name,
            "created_at": datetime.fromtimestamp(began, UTC).isoformat(),
        }

    @app.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        """List the model under each of its names."""
        names = listed(service.name, service.settings)
        ends = {"first_id": names[0], "last_id": names[-1], "has_more": False}
        return {"object": "list", "data": [told(name) for name in names], **ends}

    @app.get("/v1/models/{model:path}")
    async def retrieve_model(model: str) -> dict[str, Any]:
        """Return the model under one of its names."""
        suffix_of(model, service.name, service.settings.routes)
        return told(model)


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Return the server's state, and its open requests and calls."""
        calls = service.call_queue
        return {"status": "ok", "open": service.open_requests, "calls": calls.inside, "waiting": calls.waiting}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Return the metrics in Prometheus's text format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _openapi(app: FastAPI, service: Service) -> dict[str, Any]:
    told = app.openapi_schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
    forms = [(api.form, "validation") for api in APIS]
    _, models = models_json_schema(forms, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    names = pattern(service.name, service.settings.routes)
    for api in APIS:
        models["$defs"][api.form.__name__]["properties"]["model"]["pattern"] = names
    told.setdefault("components", {}).setdefault("schemas", {}).update(models["$defs"])
    return told
