"""The service that all requests share: the model, the bounds on requests and calls, the record, the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

from selfagg.methods import method_named
from selfagg.models.base import Forwards, Limited, Model
from selfagg.record.configuration import about, configuration
from selfagg.record.record import Record
from selfagg.run.call_queue import CallQueue
from selfagg.run.engine import Settings
from selfagg.server.background import Background, KeptResponses
from selfagg.server.deliberation import Deliberator
from selfagg.server.errors import APIError
from selfagg.server.monitoring import Metrics
from selfagg.server.plan import DeliberationPlan, check_routes, planned
from selfagg.server.settings import ServeSettings
from selfagg.types import Sampling


class Admission:
    """A gatekeeper that lets requests in while there is room; ``open`` are inside, those that wait included."""

    def __init__(self, limit: int) -> None:
        self.limit, self.open = limit, 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold one of the places for open requests; raise APIError 429 if there is none."""
        if self.open >= self.limit:
            words = f"{self.open} requests are open, as many as this server takes"
            raise APIError(429, words, code="queue_full", wait_s=1.0)
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


class Service:
    """Open while the server runs; a model that ``is_open`` stays so afterwards."""

    deliberator: Deliberator
    kept: KeptResponses
    background: Background

    def __init__(
        self, model: Model, settings: ServeSettings, concurrency: int | None, *, is_open: bool = False
    ) -> None:
        check_routes(settings.routes)
        self.model, self.name, self.settings = model, model.name.removeprefix("openai:"), settings
        self.metrics, self.admission = Metrics(), Admission(settings.limits.open_requests)
        limiter = model.limiter if isinstance(model, Limited) else None
        self.call_queue = CallQueue(concurrency or model.concurrency, limiter)
        self._concurrency, self._is_open = concurrency, is_open
        self._stack = AsyncExitStack()
        for name, words, value in (
            ("open_requests", "Requests that are being answered.", lambda: self.admission.open),
            ("calls_in_flight", "Calls that the model works on.", lambda: self.call_queue.inside),
            ("calls_waiting", "Calls that wait for their turn.", lambda: self.call_queue.waiting),
            ("background_open", "Responses in the background that are worked on.", lambda: self.background.open),
        ):
            self.metrics.gauge(f"selfagg_{name}", words).set_function(value)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if not self._is_open:
                await stack.enter_async_context(self.model)
            self.call_queue.most = self._concurrency or self.model.concurrency  # known after entering
            record = self._begun(stack)
            self.deliberator = Deliberator(self.model, self.call_queue, record)
            self.kept = KeptResponses(record)
            stack.callback(self.kept.close)
            self.background = Background(self.deliberator, self.kept, self.metrics, self.settings.keep_alive_s)
            await self.background.resume(self.plan)
            self._stack = stack.pop_all()
        return self

    def _begun(self, stack: AsyncExitStack) -> Record | None:
        """Open the record and begin its run, or go on with the run that it holds."""
        settings = self.settings
        if settings.record is None:
            return None
        record = stack.enter_context(Record(settings.record))
        method = method_named(settings.method, **settings.rsa)
        sampled = Settings(Sampling(server_defaults=settings.server_defaults), candidate=settings.candidate)
        made = configuration(method, self.model.name, sampled, "serve")
        record.begin(made, list(record.questions()), about(context=self.model.context))
        return record

    def plan(self, chat: Mapping[str, Any]) -> DeliberationPlan:
        """Return the plan for a request in the form of chat completions; see `planned`."""
        return planned(chat, self.name, self.settings, forwards=isinstance(self.model, Forwards))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.background.close()
        if self.deliberator.record:
            await self.deliberator.record.drain()
        await self._stack.__aexit__(kind, error, trace)
