"""One log line, one set of metrics and one span a request: never a text, never a key."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from selfagg.server.metrics import Metrics
from selfagg.server.presence import ClientGone
from selfagg.types import Usage

log = logging.getLogger("selfagg.server")

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
        told: dict[str, Any] = {"kind": "other"}
        scope.setdefault("state", {})["told"] = told
        start, first, status = time.monotonic(), None, 500

        async def noted(message: Message) -> None:
            nonlocal first, status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif first is None:
                first = time.monotonic() - start
            await send(message)

        try:
            with _span(scope, told):
                await self._app(scope, receive, noted)
        except ClientGone:
            status = GONE
        finally:
            seconds = time.monotonic() - start
            self._metrics.request(told["kind"], status, seconds, first)
            line = {"verb": scope["method"], "path": _plain(scope["path"]), "status": status, "seconds": seconds}
            log.info(json.dumps(line | told, default=str))


def _plain(path: str) -> str:
    return path if len(path) <= 100 else f"{path[:100]}..."


def note_work(told: dict[str, Any], metrics: Metrics, usage: Usage, calls: int) -> None:
    """Adds what a deliberation took."""
    told |= {"calls": calls, "prompt": usage.prompt, "cached": usage.cached, "completion": usage.completion}
    metrics.work(usage, calls)


@contextmanager
def _span(scope: Scope, told: dict[str, Any]) -> Iterator[None]:
    """A span with the GenAI conventions, where OpenTelemetry is installed and somebody collects."""
    try:
        from opentelemetry import trace
    except ImportError:
        yield
        return
    with trace.get_tracer("selfagg").start_as_current_span(f"{scope['method']} {_plain(scope['path'])}") as span:
        try:
            yield
        finally:
            names = {
                "gen_ai.request.model": "model",
                "gen_ai.usage.input_tokens": "prompt",
                "gen_ai.usage.output_tokens": "completion",
                "selfagg.calls": "calls",
                "selfagg.method": "method",
            }
            span.set_attribute("gen_ai.operation.name", "chat")
            for name, key in names.items():
                if key in told:
                    span.set_attribute(name, told[key])
