"""One log line, one set of metrics and one span a request: never a text, never a key."""

from __future__ import annotations

import json
import logging
import time
from contextlib import nullcontext
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from selfagg.server.metrics import Metrics
from selfagg.server.presence import ClientGone
from selfagg.server.tracing import span
from selfagg.types import Usage

log = logging.getLogger("selfagg.server")

CHAT = "/v1/chat/completions"

GONE = 499
"""The status under which a request is counted whose client hung up; nobody receives it."""


class Telling:
    """Tells of every request when it has ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told: dict[str, Any] = {"verb": scope["method"], "path": _plain(scope["path"]), "status": 500, "kind": "other"}
        scope.setdefault("state", {})["told"] = told
        start, first = time.monotonic(), None

        async def noted(message: Message) -> None:
            nonlocal first
            if message["type"] == "http.response.start":
                told["status"] = message["status"]
            elif first is None:
                first = time.monotonic() - start
            await send(message)

        try:
            with span(told) if scope["path"] == CHAT else nullcontext():
                await self._told(scope, receive, noted, told)
        finally:
            seconds = time.monotonic() - start
            self._metrics.request(told["kind"], told["status"], seconds, first)
            log.info(json.dumps(told | {"seconds": round(seconds, 4)}))

    async def _told(self, scope: Scope, receive: Receive, send: Send, told: dict[str, Any]) -> None:
        try:
            await self._app(scope, receive, send)
        except ClientGone:
            told["status"] = GONE


def _plain(path: str) -> str:
    return path if len(path) <= 100 else f"{path[:100]}..."


def note_work(told: dict[str, Any], metrics: Metrics, usage: Usage, calls: int) -> None:
    """Adds what a deliberation took."""
    told |= {"calls": calls, "prompt": usage.prompt, "cached": usage.cached, "completion": usage.completion}
    metrics.work(usage, calls)
