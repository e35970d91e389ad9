"""The metrics of ``GET /metrics``, in Prometheus's format."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from selfagg.types import Usage

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The server's counters; each server has its own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "selfagg_requests",
            "Requests by what they asked for and how they ended.",
            ["kind", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "selfagg_request_seconds",
            "From a request's arrival to its last byte.",
            ["kind"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._first = Histogram(
            "selfagg_first_byte_seconds",
            "From a request's arrival to the first byte of its answer.",
            ["kind"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._tokens = Counter(
            "selfagg_tokens", "Tokens of deliberations; cached is a part of prompt.", ["of"], registry=self._registry
        )
        self._untold = Counter(
            "selfagg_calls_without_usage",
            "Calls of deliberations whose tokens nobody reported.",
            registry=self._registry,
        )
        self._calls = Counter("selfagg_calls", "Calls to the model made by deliberations.", registry=self._registry)

    def watch(self, name: str, words: str, value: Callable[[], float]) -> None:
        """Add a gauge that calls ``value`` whenever the metrics are read."""
        Gauge(name, words, registry=self._registry).set_function(value)

    def request(self, kind: str, status: int, seconds: float, first_s: float | None) -> None:
        """Count a request that has ended; status 499 if the client hung up."""
        self._requests.labels(kind, str(status)).inc()
        self._seconds.labels(kind).observe(seconds)
        if first_s is not None:
            self._first.labels(kind).observe(first_s)

    def work(self, usage: Usage, calls: int) -> None:
        """Count the calls and tokens of a deliberation that has ended, in whatever way."""
        self._calls.inc(calls)
        self._untold.inc(usage.unknown)
        for name in ("prompt", "cached", "completion", "reasoning"):
            self._tokens.labels(name).inc(getattr(usage, name))

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)
