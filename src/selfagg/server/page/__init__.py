"""The page at ``/``: a conversation that shows the populations grow. One origin, no inline code."""

from __future__ import annotations

import asyncio
import json
from importlib import resources
from typing import Any, Final

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import Response

from selfagg.html_report.markup import nodes
from selfagg.methods import METHODS
from selfagg.server.errors import refused
from selfagg.server.plan import sizes
from selfagg.server.settings import ServeSettings

_STYLES: Final = {"selfagg.html_report": ("base", "reader"), "selfagg.server": ("page",)}
_SCRIPTS: Final = {
    "selfagg.html_report": ("dom", "nodes", "lineage"),
    "selfagg.server": ("events", "controls", "conversation", "populations", "reader", "turn", "main"),
}
_HEADERS: Final = {
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
    """Add the page, its style, its script and the server's settings, and the route that typesets model text for it.

    The page's controls show the settings at first: of each method the sizes that are its to vary, as the server's.
    """
    methods = {name: sizes(name, settings) for name in METHODS}
    told = {"method": settings.method, "answer": settings.answer, "methods": methods}
    index = (resources.files("selfagg.server") / "page" / "index.html").read_text("utf-8")
    script = f'"use strict";\n(() => {{\n{_joined(_SCRIPTS, "js")}\n}})();\n'
    _add_file(app, "/", index, "text/html")
    _add_file(app, "/page/style.css", _joined(_STYLES, "css"), "text/css")
    _add_file(app, "/page/script.js", script, "text/javascript")
    _add_file(app, "/page/settings.json", json.dumps(told), "application/json")
    body = {"required": True, "content": {"application/json": {"schema": Typeset.model_json_schema()}}}

    @app.post("/v1/typeset", openapi_extra={"requestBody": body})
    async def typeset(request: Request) -> dict[str, Any]:
        """Return model text as safe nodes: structure, MathML, coloured code. Text without markup stays text."""
        try:
            asked = Typeset.model_validate_json(await request.body())
        except ValidationError:
            raise refused("the body must be a JSON object with a text", "text") from None
        return {"nodes": await asyncio.to_thread(nodes, asked.text)}


def _add_file(app: FastAPI, path: str, text: str, kind: str) -> None:
    async def answer() -> Response:
        return Response(text, headers=_HEADERS, media_type=kind)

    app.get(path, include_in_schema=False)(answer)


def _joined(parts: dict[str, tuple[str, ...]], kind: str) -> str:
    paths = [
        resources.files(package) / "page" / kind / f"{name}.{kind}" for package in parts for name in parts[package]
    ]
    return "\n".join(path.read_text("utf-8") for path in paths)
