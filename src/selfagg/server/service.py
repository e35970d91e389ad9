"""The service that all requests share: the model, the limiter of its calls, the record, the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from selfagg.methods import method_named
from selfagg.models.base import Forwards, Limited, Model
from selfagg.record.configuration import about, configuration
from selfagg.record.record import Record
from selfagg.run.engine import Settings
from selfagg.run.limiter import FairLimiter
from selfagg.server.admission import Admission
from selfagg.server.background import Background
from selfagg.server.deliberation import Deliberator
from selfagg.server.kept import Kept
from selfagg.server.metrics import Metrics
from selfagg.server.names import check_routes, served_name
from selfagg.server.plan import DeliberationPlan, asked_for, planned
from selfagg.server.settings import ServeSettings
from selfagg.types import Sampling


class Service:
    """Open while the server runs; a model that ``is_open`` stays so afterwards.

    Attributes:
        model: The connection.
        settings: Defaults, limits, keys.
        call_limiter: The bound on calls in flight, in turns between requests.
        admission: The bound on open requests.
        metrics: The counters.
        deliberator: Answers requests.
        kept: Keeps responses.
        background: Works on responses that nobody waits for.
    """

    kept: Kept
    background: Background

    def __init__(
        self, model: Model, settings: ServeSettings, concurrency: int | None, *, is_open: bool = False
    ) -> None:
        check_routes(settings.routes)
        self.model = model
        self.settings = settings
        self.metrics = Metrics()
        self.admission = Admission(settings.limits.open_requests)
        self.call_limiter = FairLimiter(
            concurrency or model.concurrency, model.limiter if isinstance(model, Limited) else None
        )
        self.deliberator = Deliberator(model, self.call_limiter, None)
        self._concurrency, self._is_open = concurrency, is_open
        self._stack = AsyncExitStack()
        self.metrics.watch("selfagg_open_requests", "Requests that are being answered.", lambda: self.admission.open)
        self.metrics.watch(
            "selfagg_calls_in_flight", "Calls that the model works on.", lambda: self.call_limiter.inside
        )
        self.metrics.watch(
            "selfagg_calls_waiting", "Calls that wait for their turn.", lambda: self.call_limiter.waiting
        )
        words = "Responses in the background that are worked on."
        self.metrics.watch("selfagg_background_open", words, lambda: self.background.open)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if not self._is_open:
                await stack.enter_async_context(self.model)
            self.call_limiter.most = self._concurrency or self.model.concurrency  # known after entering
            record = self._begun(stack)
            self.deliberator = Deliberator(self.model, self.call_limiter, record)
            self.kept = Kept(record)
            stack.callback(self.kept.close)
            self.background = Background(self.deliberator, self.kept, self.metrics, self.settings.keep_alive_s)
            await self.background.resume(self.plan)
            self._stack = stack.pop_all()
        return self

    def plan(self, chat: Mapping[str, Any]) -> DeliberationPlan:
        """Return the plan for a request in the form of chat completions.

        Raises:
            APIError: Something asked for cannot be.
        """
        asked = asked_for(chat, served_name(self.model.name), self.settings)
        return planned(chat, asked, self.settings, forwards=isinstance(self.model, Forwards))

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

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.background.close()
        if self.deliberator.record:
            await self.deliberator.record.drain()
        await self._stack.__aexit__(kind, error, trace)
