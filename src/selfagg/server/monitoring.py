"""One log line, one set of metrics and one OpenTelemetry span a request: never a text, never a key."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from selfagg.server.disconnect import ClientGone
from selfagg.server.errors import APIError
from selfagg.types import Usage

log = logging.getLogger("selfagg.server")

GONE: Final = 499  # the status under which a request is counted whose client hung up; nobody receives it
_GENERATING: Final = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions")
_STOPPED: Final = APIError(503, "the server stops", code="server_stopping", wait_s=5.0)
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_ATTRIBUTES: Final = {
    "gen_ai.request.model": "model",
    "gen_ai.response.id": "id",
    "gen_ai.usage.input_tokens": "prompt",
    "gen_ai.usage.output_tokens": "completion",
    "selfagg.method": "method",
    "selfagg.calls": "calls",
    "selfagg.cut_short": "cut_short",
}


class Metrics:
    """The server's metrics, as ``GET /metrics`` gives them; each server has its own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        counter = partial(Counter, registry=self._registry)
        seconds = partial(Histogram, labelnames=["kind"], buckets=_SECONDS, registry=self._registry)
        words = "Requests by what they asked for and how they ended."
        self._requests = counter("selfagg_requests", words, ["kind", "status"])
        self._seconds = seconds("selfagg_request_seconds", "From a request's arrival to its last byte.")
        self._first = seconds("selfagg_first_byte_seconds", "From a request's arrival to the first byte of its answer.")
        self._tokens = counter("selfagg_tokens", "Tokens of deliberations; cached is a part of prompt.", ["of"])
        self._untold = counter("selfagg_calls_without_usage", "Calls of deliberations whose tokens nobody reported.")
        self._calls = counter("selfagg_calls", "Calls to the model made by deliberations.")
        self.gauge = partial(Gauge, registry=self._registry)

    def request(self, kind: str, status: int, seconds: float, first_s: float | None) -> None:
        """Count a request that has ended; status 499 if the client hung up."""
        self._requests.labels(kind, str(status)).inc()
        self._seconds.labels(kind).observe(seconds)
        if first_s is not None:
            self._first.labels(kind).observe(first_s)

    def work(self, told: dict[str, Any], usage: Usage, calls: int) -> None:
        """Count the calls and tokens of a deliberation that has ended, in whatever way; note them in its log line."""
        told |= {"calls": calls, "prompt": usage.prompt, "cached": usage.cached, "completion": usage.completion}
        self._calls.inc(calls)
        self._untold.inc(usage.unknown)
        for name in ("prompt", "cached", "completion", "reasoning"):
            self._tokens.labels(name).inc(getattr(usage, name))

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class MonitoringMiddleware:
    """Middleware that logs and counts every request when it has ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        shown = path if len(path) <= 100 else f"{path[:100]}..."
        told: dict[str, Any] = {"verb": scope["method"], "path": shown, "status": 500, "kind": "other"}
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
            with _span(told) if path in _GENERATING else nullcontext():
                await self._app(scope, receive, noted)
        except (ClientGone, ClientDisconnect):
            told["status"] = GONE
        except asyncio.CancelledError:  # the server stops and its grace is over
            if begun:
                await noted({"type": "http.response.body", "body": _STOPPED.events(path), "more_body": False})
            else:
                await _STOPPED.response(path)(scope, receive, noted)
        finally:
            seconds = time.monotonic() - start
            self._metrics.request(told["kind"], told["status"], seconds, first)
            log.info(json.dumps(told | {"seconds": round(seconds, 4)}))


@contextmanager
def _span(told: Mapping[str, Any]) -> Iterator[None]:
    """Open a span after the GenAI conventions, where OpenTelemetry is installed; ``told`` has its attributes."""
    try:
        from opentelemetry import trace
    except ImportError:
        yield
        return
    with trace.get_tracer("selfagg").start_as_current_span("chat", kind=trace.SpanKind.SERVER) as span:
        try:
            yield
        finally:
            span.update_name(f"chat {told.get('model', '')}".strip())
            known = {name: told[key] for name, key in _ATTRIBUTES.items() if key in told}
            span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "selfagg", **known})
            if told.get("status", 200) >= 400:
                span.set_attribute("error.type", str(told["status"]))
