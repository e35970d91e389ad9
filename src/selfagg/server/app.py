"""The application: its routes, and what they share for as long as it runs."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response

from selfagg import __version__
from selfagg.server import page
from selfagg.server.access_log import AccessLog
from selfagg.server.auth import PAGES_HERE, AuthMiddleware, Keys
from selfagg.server.bodies import Bodies
from selfagg.server.disconnect import CLEANUPS
from selfagg.server.errors import APIError, documented, on_http_error
from selfagg.server.exchange import Exchange
from selfagg.server.names import listed, pattern, served_name, suffix_of
from selfagg.server.protocols import APIS, Api
from selfagg.server.responses import KeptResponses, ResponsesExchange
from selfagg.server.routes import COUNTS, RELAYED, counted, passed_on
from selfagg.server.service import Service


def create_app(service: Service) -> FastAPI:
    """Create the application of a service; the service is open for as long as the application runs."""
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
    origins = service.settings.allow_origins
    app.add_middleware(AuthMiddleware, keys=Keys(service.settings.keys), allow_origins=origins)
    app.add_middleware(CORSMiddleware, allow_origins=origins, allow_origin_regex=PAGES_HERE, **_CORS)
    app.add_middleware(AccessLog, metrics=service.metrics)
    for api in APIS:
        _add_api(app, service, api)
    _add_kept_responses(app, service)
    _add_relayed(app, service)
    _add_routes(app, service)
    page.add_routes(app, service.settings)
    names = pattern(served_name(service.model.name), service.settings.routes)
    app.openapi = lambda: _openapi(app, names)  # type: ignore[method-assign]
    return app


def _add_api(app: FastAPI, service: Service, api: Api) -> None:
    @app.post(
        f"/v1/{api.route}",
        name=f"create_{api.route.replace('/', '_')}",
        responses=_ANSWERS | documented(400, 401, 403, 404, 413, 429, 500, 502, 503, 504),
        openapi_extra=_body_schema(api),
        response_model=None,
    )
    async def create(request: Request) -> Response:
        """Answer a request: deliberate, or pass it on plainly if the request wants that."""
        if api.route == "responses":
            return await ResponsesExchange(service, request).answer()
        return await Exchange(service, request, api).answer()


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


def _add_relayed(app: FastAPI, service: Service) -> None:
    for path in COUNTS:

        @app.post(path, include_in_schema=False, response_model=None)
        async def count(request: Request) -> Response:
            """Count the tokens of a request's prompt."""
            return await counted(service, request)

    for path in RELAYED:

        @app.post(path, include_in_schema=False, response_model=None)
        async def relay(request: Request) -> Response:
            """Pass a request on to the model's own server."""
            return await passed_on(service, request)


def _add_routes(app: FastAPI, service: Service) -> None:
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
        names = listed(served_name(service.model.name), service.settings)
        ends = {"first_id": names[0], "last_id": names[-1], "has_more": False}
        return {"object": "list", "data": [told(name) for name in names], **ends}

    @app.get("/v1/models/{model:path}", responses=documented(401, 403, 404))
    async def retrieve_model(model: str) -> dict[str, Any]:
        """Return the model under one of its names."""
        suffix_of(model, served_name(service.model.name), service.settings.routes)
        return told(model)

    @app.get("/health", responses=documented(403))
    async def health() -> dict[str, Any]:
        """Return the server's state, and its open requests and calls."""
        call_limiter = service.call_limiter
        return {
            "status": "ok",
            "open": service.admission.open,
            "calls": call_limiter.inside,
            "waiting": call_limiter.waiting,
        }

    @app.get("/metrics", responses=documented(401, 403), response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Return the metrics in Prometheus's text format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


_CORS: dict[str, Any] = {
    "allow_methods": ("GET", "POST", "DELETE", "OPTIONS"),
    "allow_headers": ("*",),
    "allow_private_network": True,
    "expose_headers": ("X-Selfagg-Ignored", "X-Selfagg-Warning", "X-Selfagg-Spent", "Retry-After", "X-Request-Id"),
}
"""Headers for pages of an allowed site, which may ask before each request and read our headers."""

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, or its events as a stream",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}},
    }
}


def _body_schema(api: Api) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{api.form.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _openapi(app: FastAPI, names: str) -> dict[str, Any]:
    if app.openapi_schema is None:
        told = get_openapi(title=app.title, version=app.version, routes=app.routes)
        forms = [(api.form, "validation") for api in APIS]
        _, models = models_json_schema(forms, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
        for api in APIS:
            models["$defs"][api.form.__name__]["properties"]["model"]["pattern"] = names
        told.setdefault("components", {}).setdefault("schemas", {}).update(models["$defs"])
        app.openapi_schema = told
    return app.openapi_schema
