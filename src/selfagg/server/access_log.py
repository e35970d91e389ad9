"""One log line, one set of metrics and one span a request: never a text, never a key."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import nullcontext
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from selfagg.server.disconnect import ClientGone
from selfagg.server.errors import APIError
from selfagg.server.metrics import Metrics
from selfagg.server.tracing import span
from selfagg.types import Usage

log = logging.getLogger("selfagg.server")

GENERATING = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions")

GONE = 499
"""The status under which a request is counted whose client hung up; nobody receives it."""

_STOPPED = APIError(503, "the server stops", code="server_stopping", wait_s=5.0)


class AccessLog:
    """Middleware that logs every request when it has ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told: dict[str, Any] = {"verb": scope["method"], "path": _plain(scope["path"]), "status": 500, "kind": "other"}
        scope.setdefault("state", {})["told"] = told
        start, first, begun = time.monotonic(), None, False

        async def noted(message: Message) -> None:
            nonlocal first, begun
            if message["type"] == "http.response.start":
                told["status"], begun = message["status"], True
            elif first is None:
                first = time.monotonic() - start
            await send(message)

        try:
            with span(told) if scope["path"] in GENERATING else nullcontext():
                await self._app(scope, receive, noted)
        except (ClientGone, ClientDisconnect):
            told["status"] = GONE
        except asyncio.CancelledError:  # the server stops and its grace is over
            if begun:
                await noted({"type": "http.response.body", "body": _STOPPED.events(scope["path"]), "more_body": False})
            else:
                await _STOPPED.response(scope["path"])(scope, receive, noted)
        finally:
            seconds = time.monotonic() - start
            self._metrics.request(told["kind"], told["status"], seconds, first)
            log.info(json.dumps(told | {"seconds": round(seconds, 4)}))


def _plain(path: str) -> str:
    return path if len(path) <= 100 else f"{path[:100]}..."


def note_work(told: dict[str, Any], metrics: Metrics, usage: Usage, calls: int) -> None:
    """Note the tokens and calls of a deliberation, in the log line and in the metrics."""
    told |= {"calls": calls, "prompt": usage.prompt, "cached": usage.cached, "completion": usage.completion}
    metrics.work(usage, calls)
