"""The application: its routes, in front of a service that they share."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response

from selfagg import __version__
from selfagg.server import page
from selfagg.server.access import PAGES_HERE, AccessMiddleware
from selfagg.server.errors import APIError, documented, on_http_error
from selfagg.server.exchange import APIS, Exchange
from selfagg.server.monitoring import MonitoringMiddleware
from selfagg.server.passthrough import COUNTS, RELAYED, counted, relayed
from selfagg.server.plan import listed, pattern, suffix_of
from selfagg.server.protocols import Api
from selfagg.server.responses import KeptResponses, ResponsesExchange
from selfagg.server.service import Service

_CORS: Final[dict[str, Any]] = {
    "allow_methods": ("GET", "POST", "DELETE", "OPTIONS"),
    "allow_headers": ("*",),
    "allow_private_network": True,
    "expose_headers": ("X-Selfagg-Ignored", "X-Selfagg-Warning", "X-Selfagg-Spent", "Retry-After", "X-Request-Id"),
}
"""Headers for pages of an allowed site, which may ask before each request and read our headers."""


def create_app(service: Service) -> FastAPI:
    """Create the application of a service; the service is open for as long as the application runs."""
    app = FastAPI(title="selfagg", version=__version__, docs_url=None, redoc_url=None)
    for kind in (APIError, 404, 405, Exception):
        app.exception_handler(kind)(on_http_error)
    origins = service.settings.allow_origins
    app.add_middleware(AccessMiddleware, settings=service.settings)
    app.add_middleware(CORSMiddleware, allow_origins=origins, allow_origin_regex=PAGES_HERE, **_CORS)
    app.add_middleware(MonitoringMiddleware, metrics=service.metrics)
    for api in APIS:
        _add_api(app, service, api)
    _add_kept_responses(app, service)
    for paths, answer in ((COUNTS, counted), (RELAYED, relayed)):
        _add_hidden(app, service, paths, answer)
    _add_models(app, service)
    _add_state(app, service)
    page.add_routes(app, service.settings)
    app.openapi = lambda: app.openapi_schema or _openapi(app, service)  # type: ignore[method-assign]
    return app


def _add_api(app: FastAPI, service: Service, api: type[Api]) -> None:
    schema = {"$ref": f"#/components/schemas/{api.form.__name__}"}
    content = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}}
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": "The answer, or its events as a stream", "content": content}
    }
    exchange = ResponsesExchange if api.route == "responses" else Exchange

    @app.post(
        f"/v1/{api.route}",
        name=f"create_{api.route.replace('/', '_')}",
        responses=answers | documented(400, 401, 403, 404, 413, 429, 500, 502, 503, 504),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}},
        response_model=None,
    )
    async def create(request: Request) -> Response:
        """Answer a request: deliberate, or pass it on plainly if the request wants that."""
        return await exchange(service, request, api).answer()


def _add_kept_responses(app: FastAPI, service: Service) -> None:
    path, errors = "/v1/responses/{name}", documented(400, 401, 403, 404, 500, 502, 503, 504)

    @app.get(path, responses=errors, response_model=None)
    async def retrieve_response(name: str, request: Request) -> Response:
        """Return a kept response; with ``stream=true`` its events after number ``starting_after``."""
        return await KeptResponses(service, request, name).retrieve()

    @app.post(f"{path}/cancel", responses=errors, response_model=None)
    async def cancel_response(name: str, request: Request) -> Response:
        """End the work on a response in the background."""
        return await KeptResponses(service, request, name).cancel()

    @app.delete(path, responses=errors, response_model=None)
    async def delete_response(name: str, request: Request) -> Response:
        """Delete a kept response."""
        return await KeptResponses(service, request, name).delete()

    @app.get(f"{path}/input_items", responses=errors, response_model=None)
    async def list_input_items(name: str, request: Request) -> Response:
        """List the items that a kept response answers."""
        return await KeptResponses(service, request, name).items()


def _add_hidden(
    app: FastAPI, service: Service, paths: tuple[str, ...], answer: Callable[[Service, Request], Awaitable[Response]]
) -> None:
    async def endpoint(request: Request) -> Response:
        return await answer(service, request)

    for path in paths:
        app.post(path, include_in_schema=False, response_model=None)(endpoint)


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

    @app.get("/v1/models", responses=documented(401, 403))
    async def list_models() -> dict[str, Any]:
        """List the model under each of its names."""
        names = listed(service.name, service.settings)
        ends = {"first_id": names[0], "last_id": names[-1], "has_more": False}
        return {"object": "list", "data": [told(name) for name in names], **ends}

    @app.get("/v1/models/{model:path}", responses=documented(401, 403, 404))
    async def retrieve_model(model: str) -> dict[str, Any]:
        """Return the model under one of its names."""
        suffix_of(model, service.name, service.settings.routes)
        return told(model)


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/health", responses=documented(403))
    async def health() -> dict[str, Any]:
        """Return the server's state, and its open requests and calls."""
        calls = service.call_limiter
        return {"status": "ok", "open": service.admission.open, "calls": calls.inside, "waiting": calls.waiting}

    @app.get("/metrics", responses=documented(401, 403), response_class=PlainTextResponse)
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
