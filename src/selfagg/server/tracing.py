"""A span a chat, after OpenTelemetry's GenAI conventions, where its package is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_ATTRIBUTES = {
    "gen_ai.request.model": "model",
    "gen_ai.response.id": "id",
    "gen_ai.usage.input_tokens": "prompt",
    "gen_ai.usage.output_tokens": "completion",
    "selfagg.method": "method",
    "selfagg.calls": "calls",
    "selfagg.cut_short": "cut_short",
}


@contextmanager
def span(told: Mapping[str, Any]) -> Iterator[None]:
    """Open a span around one request; entries of ``told`` become its attributes at the end. No texts."""
    try:
        from opentelemetry import trace
    except ImportError:
        yield
        return
    with trace.get_tracer("selfagg").start_as_current_span("chat", kind=trace.SpanKind.SERVER) as current:
        try:
            yield
        finally:
            current.update_name(f"chat {told.get('model', '')}".strip())
            current.set_attribute("gen_ai.operation.name", "chat")
            current.set_attribute("gen_ai.provider.name", "selfagg")
            for name, key in _ATTRIBUTES.items():
                if key in told:
                    current.set_attribute(name, told[key])
            if told.get("status", 200) >= 400:
                current.set_attribute("error.type", str(told["status"]))
