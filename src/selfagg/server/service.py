"""The service that all requests share, and the way of one request of any API through it, from end to end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, aclosing, contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from starlette.requests import Request
from starlette.responses import Response

from selfagg.methods import method_named
from selfagg.models.base import Forwards, Limited, Model
from selfagg.record.configuration import about, configuration
from selfagg.record.record import Record
from selfagg.run.call_queue import CallQueue
from selfagg.run.engine import Settings
from selfagg.run.runner import first_error_only
from selfagg.server.background import Background
from selfagg.server.deliberation import DeliberationResult, Deliberator
from selfagg.server.disconnect import Pieces, Stream, opened, while_present
from selfagg.server.errors import APIError, Json, parsed, refused, renamed
from selfagg.server.fields import Body
from selfagg.server.kept_responses import KeptResponses
from selfagg.server.monitoring import Metrics
from selfagg.server.passthrough import NoRoute, passed_on
from selfagg.server.plan import DeliberationPlan, asked_for, check_routes, planned
from selfagg.server.progress import without_progress
from selfagg.server.protocols import Api
from selfagg.server.protocols.chat import ChatApi
from selfagg.server.protocols.completions import CompletionsApi
from selfagg.server.protocols.messages import MessagesApi
from selfagg.server.protocols.responses import ResponsesApi
from selfagg.server.settings import ServeSettings
from selfagg.types import Sampling

APIS: Final[tuple[type[Api], ...]] = (ChatApi, ResponsesApi, MessagesApi, CompletionsApi)

_NO_HEADER: Final = re.compile(r"[^\w.()\[\] -]", re.ASCII)
_LONGEST_HEADER: Final = 1000


class Service:
    """The part of a server that all requests share; open while it runs. A model that ``is_open`` stays so after it."""

    deliberator: Deliberator
    kept: KeptResponses
    background: Background

    def __init__(
        self, model: Model, settings: ServeSettings, concurrency: int | None, *, is_open: bool = False
    ) -> None:
        check_routes(settings.routes)
        self.model, self.name, self.settings = model, model.name.removeprefix("openai:"), settings
        self.metrics, self.open_requests = Metrics(), 0
        limiter = model.limiter if isinstance(model, Limited) else None
        self.call_queue = CallQueue(concurrency or model.concurrency, limiter)
        self._concurrency, self._is_open = concurrency, is_open
        self._stack = AsyncExitStack()
        for name, words, value in (
            ("open_requests", "Requests that are being answered.", lambda: self.open_requests),
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
            record = self._begun(stack.enter_context(Record(self.settings.record))) if self.settings.record else None
            self.deliberator = Deliberator(self.model, self.call_queue, record)
            self.kept = KeptResponses(record)
            stack.callback(self.kept.close)
            self.background = Background(self.deliberator, self.kept, self.metrics, self.settings.keep_alive_s)
            await self.background.resume(self.plan)
            self._stack = stack.pop_all()
        return self

    def _begun(self, record: Record) -> Record:
        """Begin the record's run, or go on with the run that it holds."""
        settings = self.settings
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

    def plan(self, chat: Mapping[str, Any]) -> DeliberationPlan:
        """Return the plan for a request in the form of chat completions; see `planned`."""
        return planned(chat, self.name, self.settings, forwards=isinstance(self.model, Forwards))

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places for open requests, those that wait included; raise APIError 429 if there is none."""
        if self.open_requests >= self.settings.limits.open_requests:
            words = f"{self.open_requests} requests are open, as many as this server takes"
            raise APIError(429, words, code="queue_full", wait_s=1.0)
        self.open_requests += 1
        try:
            yield
        finally:
            self.open_requests -= 1


class Exchange:
    """One request: read, admitted, then passed on plainly or deliberated.

    Args:
        service: The service.
        request: The client's request; its state has the fields of its log line as ``told``.
        api: The API that the client speaks.
        digest: Of a request of a batch. Its id and its seed follow from it, so that a record can be gone on with.
    """

    def __init__(self, service: Service, request: Request, api: type[Api], digest: str | None = None) -> None:
        self.service, self.request, self.api, self.digest = service, request, api, digest
        self.told: dict[str, Any] = request.scope["state"]["told"]
        self._note = partial(service.metrics.work, self.told)

    async def answer(self) -> Response:
        """Return the answer, whole or as a stream.

        Raises:
            APIError: The client made a mistake, or there is no answer; the message says which.
            ClientGone: The client hung up.
        """
        with ExitStack() as place:
            place.enter_context(self.service.place())  # before the body is read: a body takes memory
            response = await self._admitted(without_progress(parsed(await self.request.body())), place)
            if isinstance(response, Stream):
                response.at_end = place.pop_all().close  # its place is free when its last byte is out
            return response

    async def _admitted(self, body: dict[str, Any], place: ExitStack) -> Response:
        service = self.service
        plain = asked_for(body, service.name, service.settings).plain
        self.told |= {"kind": "plain" if plain else "deliberation", "model": service.model.name}
        outlives = self.api is ResponsesApi and bool(body.get("background"))  # its connection: it is answered here
        if plain and isinstance(service.model, Forwards) and not outlives:
            sent = {name: value for name, value in body.items() if name != "rsa"}
            with suppress(APIError):  # the model's own server may know what is not kept here
                sent = self._complete(sent)
            try:
                return await passed_on(service, self.request, self.api.route, sent, generates=True)
            except NoRoute:  # then chat completions can answer it
                if self.api is ChatApi:
                    raise
        answer, body = self._begun(body), self._complete(body)
        if self.digest and body.get("seed") is None:
            body["seed"] = int(self.digest[:7], 16)
        with renamed(self.api.names):
            plans = [service.plan(chat) for chat in self.api.read(body)]
            plan, method = plans[0], plans[0].method
            self.told |= {"id": answer.id, "method": method.name, "n": method.n, "t": method.t}
            if outlives:
                response = await self._behind(answer, body, plan, place)
            elif body.get("stream"):
                pieces = self._pieces(answer, body, plan)
                response = Stream(await opened(self.request.receive, pieces), pieces)
            else:
                response = await self._whole(answer, body, plans)
        if plan.ignored:
            names = ", ".join(_NO_HEADER.sub("?", name) for name in dict.fromkeys(plan.ignored))
            response.headers["X-Selfagg-Ignored"] = names[:_LONGEST_HEADER]
        if plan.warning:
            response.headers["X-Selfagg-Warning"] = plan.warning
        return response

    # -- the Responses API refers to what is kept, and has its answers kept

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        return self.service.kept.complete(body) if self.api is ResponsesApi else body

    def _begun(self, body: Body) -> Api:
        keeps = self.digest is None and body.get("store") is not False
        if self.api is ResponsesApi and body.get("background") and not keeps:
            raise refused("store: a response in the background has to be kept", "store")
        return self.api({**body, "store": keeps}, self.digest)

    async def _keep(self, answer: Api, body: Body) -> None:
        """Keep an answer that is whole, before the client has it."""
        if isinstance(answer, ResponsesApi) and answer.response["store"]:
            await self.service.kept.put(self.service.kept.request(body), answer.response)

    # -- whole, in pieces, or in the background

    async def _whole(self, answer: Api, body: Body, plans: list[DeliberationPlan]) -> Response:
        names = [answer.id, *(f"{answer.id}-{number}" for number in range(1, len(plans)))]
        run = partial(self.service.deliberator.run, usage=self._note, resumed=self.digest is not None)

        async def all_of_them() -> list[DeliberationResult]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(run(plan, name)) for plan, name in zip(plans, names, strict=True)]
            return [task.result() for task in tasks]

        results = await while_present(self.request.receive, first_error_only(all_of_them()))
        self.told["cut_short"] = any(result.account["cut_short"] for result in results)
        whole = answer.whole(results)
        await self._keep(answer, body)
        calls, spent = sum(result.account["calls"] for result in results), [result.spent for result in results]
        prompt, written = sum(usage.prompt for usage in spent), sum(usage.completion for usage in spent)
        told = f"calls={calls}, prompt_tokens={prompt}, completion_tokens={written}"
        return Json(whole, headers={"X-Selfagg-Spent": told})

    async def _pieces(self, answer: Api, body: Body, plan: DeliberationPlan) -> Pieces:
        """Yield the stream's bytes; raise APIError before the first byte, later tell of it in the stream."""
        service, begun = self.service, False
        keep_alive_s = service.settings.keep_alive_s
        events = service.deliberator.events(plan, answer.id, keep_alive_s=keep_alive_s, usage=self._note)
        try:
            async with aclosing(events):
                async for event in events:
                    piece = answer.write(event) if begun else answer.begin() + answer.write(event)
                    if isinstance(event, DeliberationResult):
                        self.told["cut_short"] = event.account["cut_short"]
                        await self._keep(answer, body)
                    if piece:
                        begun = True
                        yield piece
        except APIError as error:
            if not begun:
                raise
            yield answer.failed(error)

    async def _behind(self, answer: Api, body: Body, plan: DeliberationPlan, place: ExitStack) -> Response:
        assert isinstance(answer, ResponsesApi)  # noqa: S101 - no other API comes here
        background, request = self.service.background, self.service.kept.request(body, plan.chat)
        with place.pop_all() as leave:  # its place is free when the work has ended
            started = await background.start(answer.response, request, plan, leave)
        return Stream(b"", background.stream(answer.id, -1)) if body.get("stream") else Json(started)
