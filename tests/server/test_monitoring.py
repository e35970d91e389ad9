"""Metrics, log lines and spans: figures and names, never a text."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from selfagg.server.disconnect import ClientGone
from selfagg.server.monitoring import Metrics, MonitoringMiddleware
from selfagg.types import Usage


def lines(metrics: Metrics) -> set[str]:
    return {line for line in metrics.text().decode().splitlines() if not line.startswith("#")}


def test_work_is_counted_and_noted() -> None:
    metrics, told = Metrics(), {"kind": "deliberation"}
    metrics.work(told, Usage(prompt=10, cached=4, completion=5, reasoning=3, unknown=2), 7)
    metrics.work({}, Usage(prompt=1), 1)
    assert told == {"kind": "deliberation", "calls": 7, "prompt": 10, "cached": 4, "completion": 5}
    assert {
        "selfagg_calls_total 8.0",
        "selfagg_calls_without_usage_total 2.0",
        'selfagg_tokens_total{of="prompt"} 11.0',
        'selfagg_tokens_total{of="cached"} 4.0',
        'selfagg_tokens_total{of="completion"} 5.0',
        'selfagg_tokens_total{of="reasoning"} 3.0',
    } <= lines(metrics)


def test_a_request_without_a_first_byte_is_not_counted_as_a_quick_one() -> None:
    metrics = Metrics()
    metrics.request("plain", 200, 0.2, 0.1)
    metrics.request("plain", 499, 3.0, None)
    found = lines(metrics)
    assert 'selfagg_requests_total{kind="plain",status="499"} 1.0' in found
    assert 'selfagg_request_seconds_count{kind="plain"} 2.0' in found
    assert 'selfagg_first_byte_seconds_count{kind="plain"} 1.0' in found


async def monitored(app: Any, path: str = "/v1/chat/completions") -> tuple[Metrics, list[Message]]:
    """The metrics of one request to an application, and what was sent."""
    metrics, sent = Metrics(), list[Message]()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    await MonitoringMiddleware(app, metrics)(scope, receive, send)
    return metrics, sent


@pytest.mark.parametrize(
    ("begun", "path", "said"),
    [
        (False, "/v1/chat/completions", b'"code":"server_stopping"'),
        (False, "/v1/messages", b'"overloaded_error"'),
        (True, "/v1/chat/completions", b"data: [DONE]"),
    ],
)
async def test_a_request_that_outlasts_the_server_is_told_so(begun: bool, path: str, said: bytes) -> None:
    async def stopped(scope: Scope, receive: Receive, send: Send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise asyncio.CancelledError

    metrics, (head, *bodies) = await monitored(stopped, path)
    assert head["status"] == (200 if begun else 503)
    assert said in b"".join(message["body"] for message in bodies)
    assert not bodies[-1].get("more_body")
    assert f'selfagg_requests_total{{kind="other",status="{head["status"]}"}} 1.0' in lines(metrics)


async def test_a_client_that_is_gone_gets_nothing_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def left(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientGone

    caplog.set_level(logging.INFO, "selfagg.server")
    metrics, sent = await monitored(left, "/x" * 99)
    assert sent == []
    assert 'selfagg_requests_total{kind="other",status="499"} 1.0' in lines(metrics)
    (record,) = caplog.records
    told = json.loads(record.getMessage())
    assert (told["verb"], told["path"], told["status"]) == ("POST", "/x" * 50 + "...", 499)


class SimulatedSpan:
    """A span that keeps what it is told, as OpenTelemetry's SDK does."""

    def __init__(self) -> None:
        self.name, self.attributes = "", dict[str, Any]()

    def update_name(self, name: str) -> None:
        self.name = name

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.attributes |= attributes

    def set_attribute(self, name: str, value: object) -> None:
        self.attributes[name] = value


async def test_a_span_has_the_attributes_of_the_conventions_and_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    trace, spans = pytest.importorskip("opentelemetry.trace"), list[SimulatedSpan]()

    class Tracer:
        @contextmanager
        def start_as_current_span(self, name: str, kind: object) -> Iterator[SimulatedSpan]:
            assert (name, kind) == ("chat", trace.SpanKind.SERVER)
            spans.append(SimulatedSpan())
            yield spans[-1]

    async def answers(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["told"] |= {"model": "m", "calls": 3, "prompt": 5, "secret": "a text"}
        await send({"type": "http.response.start", "status": 502, "headers": []})

    monkeypatch.setattr(trace, "get_tracer", lambda name: Tracer())
    await monitored(answers)
    await monitored(answers, "/health")
    (span,) = spans
    assert span.name == "chat m"
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "selfagg",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 5,
        "selfagg.calls": 3,
        "error.type": "502",
    }
