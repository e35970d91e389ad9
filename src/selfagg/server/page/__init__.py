"""The page at ``/``: a conversation that shows the populations grow. One origin, no inline code."""

from __future__ import annotations

import asyncio
import json
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import Response

from selfagg.html_report.markup import nodes
from selfagg.methods import METHODS
from selfagg.server.errors import documented, refused
from selfagg.server.plan import sizes
from selfagg.server.settings import ServeSettings

_STYLES = (("selfagg.html_report", ("base", "reader")), ("selfagg.server", ("page",)))
_SCRIPTS = (
    ("selfagg.html_report", ("dom", "nodes", "lineage")),
    ("selfagg.server", ("events", "controls", "conversation", "populations", "reader", "turn", "main")),
)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Typeset(BaseModel):
    """A text to be typeset."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str


def add_routes(app: FastAPI, settings: ServeSettings) -> None:
    """Add the page, its style, its script and the server's settings, and the route that typesets model text for it."""
    page = (resources.files("selfagg.server") / "page" / "index.html").read_text("utf-8")
    style = _joined(_STYLES, "css")
    script = f'"use strict";\n(() => {{\n{_joined(_SCRIPTS, "js")}\n}})();\n'
    for path, text, kind in (
        ("/", page, "text/html"),
        ("/page/style.css", style, "text/css"),
        ("/page/script.js", script, "text/javascript"),
        ("/page/settings.json", json.dumps(_told(settings)), "application/json"),
    ):
        _add_file(app, path, text, kind)

    @app.post("/v1/typeset", responses=documented(400, 401, 403, 413), openapi_extra=_SCHEMA)
    async def typeset(request: Request) -> dict[str, Any]:
        """Return model text as safe nodes: structure, MathML, coloured code. Text without markup stays text."""
        try:
            asked = Typeset.model_validate_json(await request.body())
        except ValidationError:
            raise refused("the body must be a JSON object with a text", "text") from None
        return {"nodes": await asyncio.to_thread(nodes, asked.text)}


def _told(settings: ServeSettings) -> dict[str, Any]:
    """Return what the page's controls show at first: of each method the sizes that are its to vary, as the server's."""
    return {
        "method": settings.method,
        "answer": settings.answer,
        "methods": {name: sizes(name, settings) for name in METHODS},
    }


_SCHEMA = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Typeset.model_json_schema()}},
    }
}


def _add_file(app: FastAPI, path: str, text: str, kind: str) -> None:
    async def answer() -> Response:
        return Response(text, headers=HEADERS, media_type=kind)

    app.get(path, include_in_schema=False)(answer)


def _joined(parts: tuple[tuple[str, tuple[str, ...]], ...], kind: str) -> str:
    return "\n".join(
        (resources.files(package) / "page" / kind / f"{name}.{kind}").read_text("utf-8")
        for package, names in parts
        for name in names
    )
