"""One request of any API: read, admitted, then passed on plainly or deliberated."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import ExitStack, aclosing
from functools import partial
from typing import Any, ClassVar, Final

from starlette.requests import Request
from starlette.responses import Response

from selfagg.models.base import Forwards
from selfagg.run.runner import first_error_only
from selfagg.server.access_log import note_work
from selfagg.server.auth import key_of
from selfagg.server.deliberation import DeliberationResult
from selfagg.server.disconnect import Stream, opened, while_present
from selfagg.server.errors import APIError, Json, renamed
from selfagg.server.events import events
from selfagg.server.names import served_name, suffix_of
from selfagg.server.passthrough import Call, NoRoute, forwarded, headers_for_backend
from selfagg.server.plan import DeliberationPlan, asked_for
from selfagg.server.progress import without_progress
from selfagg.server.protocols import Api, Head
from selfagg.server.schemas import parse
from selfagg.server.service import Service

_NO_HEADER: Final = re.compile(r"[^\w.()\[\] -]", re.ASCII)
_LONGEST_HEADER: Final = 1000
EVENTS: Final = {"Content-Type": "text/event-stream; charset=utf-8"}


class Exchange:
    """One request.

    Attributes:
        service: The service that all requests share.
        request: The request.
        api: The API that it speaks.
        told: The fields of its log line.
    """

    resumed: ClassVar[bool] = False
    """The record may hold members of this request, from an earlier try."""

    def __init__(self, service: Service, request: Request, api: Api) -> None:
        self.service, self.request, self.api = service, request, api
        self.told: dict[str, Any] = request.scope["state"]["told"]

    async def answer(self) -> Response:
        """Return the answer, whole or as a stream.

        Raises:
            APIError: The client made a mistake, or there is no answer; the message says which.
            ClientGone: The client hung up.
        """
        with ExitStack() as place:
            place.enter_context(self.service.admission.enter())  # before the body is read: a body takes memory
            response = await self._admitted(without_progress(parse(await self.request.body())), place)
            if isinstance(response, Stream):
                response.on_end(place.pop_all().close)  # its place is free when its last byte is out
            return response

    async def _admitted(self, body: dict[str, Any], place: ExitStack) -> Response:
        model = self.service.model
        asked = asked_for(body, served_name(model.name), self.service.settings)
        self.told |= {"kind": "plain" if asked.plain else "deliberation", "model": model.name}
        if asked.plain and isinstance(model, Forwards) and self.passes(body):
            try:
                return await self._passed_on(model, self.prepared(body, plain=True))
            except NoRoute:  # then chat completions can answer it
                if self.api.route == "chat/completions":
                    raise
        head = self.head(body)
        body = self.prepared(body, plain=False)
        with renamed(self.api.names):
            chats = self.api.read(body)
            plans = [self.service.plan(chat) for chat in chats]
            method = plans[0].method
            self.told |= {"id": head.id, "method": method.name, "n": method.n, "t": method.t}
            response = await self.deliberated(head, body, chats, plans, place)
        if ignored := dict.fromkeys(plans[0].ignored):
            response.headers["X-Selfagg-Ignored"] = _for_a_header(ignored)
        if plans[0].warning:
            response.headers["X-Selfagg-Warning"] = plans[0].warning
        return response

    # -- what an API may do otherwise

    def passes(self, body: Mapping[str, Any]) -> bool:
        """Return True if a plain call may be passed on to the model's own server."""
        return True

    def prepared(self, body: dict[str, Any], *, plain: bool) -> dict[str, Any]:
        """Return the request with all that it refers to."""
        return body

    def head(self, body: Mapping[str, Any]) -> Head:
        """Return the head of a new answer."""
        return self.api.head(body)

    async def keep(self, head: Head, body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Keep an answer, before the client has it."""

    async def deliberated(
        self,
        head: Head,
        body: Mapping[str, Any],
        chats: list[dict[str, Any]],
        plans: list[DeliberationPlan],
        place: ExitStack,
    ) -> Response:
        """Return the answer of a deliberation."""
        if not body.get("stream"):
            return await self._whole(head, body, plans)
        pieces = self._pieces(head, body, plans[0])
        first = await opened(self.request, pieces)
        return Stream(first, pieces, headers=EVENTS)

    # -- the ways to answer

    async def _passed_on(self, model: Forwards, body: Mapping[str, Any]) -> Response:
        sent = {name: value for name, value in body.items() if name != "rsa"}
        sent["model"] = served_name(self.service.model.name)
        call = Call(
            sent, self.api.route, key=_key(self.service, self.request), headers=headers_for_backend(self.request)
        )
        return await forwarded(self.request, model, self.service.call_limiter, call)

    async def _whole(self, head: Head, body: Mapping[str, Any], plans: list[DeliberationPlan]) -> Response:
        names = [head.id, *(f"{head.id}-{number}" for number in range(1, len(plans)))]
        run = partial(self.service.deliberator.run, usage=self._note(), resumed=self.resumed)

        async def all_of_them() -> list[DeliberationResult]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(run(plan, name)) for plan, name in zip(plans, names, strict=True)]
            return [task.result() for task in tasks]

        work = first_error_only(all_of_them())
        outcomes = await while_present(self.request.scope, self.request.receive, work)
        self.told["cut_short"] = any(outcome.cut_short for outcome in outcomes)
        answer = self.api.whole(head, outcomes)
        await self.keep(head, body, answer)
        return Json(answer, headers={"X-Selfagg-Spent": _spent(outcomes)})

    async def _pieces(self, head: Head, body: Mapping[str, Any], plan: DeliberationPlan) -> AsyncGenerator[bytes, None]:
        """Yield the stream's bytes.

        Raises:
            APIError: There is no answer, found before anything was handed out; later the stream tells of it.
        """
        writer, begun = self.api.writer(head), False
        keep_alive_s = self.service.settings.keep_alive_s
        run = events(self.service.deliberator, plan, head.id, keep_alive_s=keep_alive_s, usage=self._note())
        try:
            async with aclosing(run):
                async for event in run:
                    pieces = writer.write(event)
                    if isinstance(event, DeliberationResult):
                        self.told["cut_short"] = event.cut_short
                        await self.keep(head, body, writer.answer)
                    for piece in pieces:
                        begun = True
                        yield piece
        except APIError as error:
            if not begun:
                raise
            for piece in writer.failed(error):
                yield piece

    def _note(self) -> Any:
        return partial(note_work, self.told, self.service.metrics)


def _for_a_header(names: Iterable[str]) -> str:
    return ", ".join(_NO_HEADER.sub("?", name) for name in names)[:_LONGEST_HEADER]


def _key(service: Service, request: Request) -> str | None:
    return (key_of(request.headers) or None) if service.settings.forward_key else None


def _spent(outcomes: list[DeliberationResult]) -> str:
    """Return all that an answer took, for a header."""
    calls = sum(outcome.calls for outcome in outcomes)
    prompt, written = (sum(getattr(outcome.spent, name) for outcome in outcomes) for name in ("prompt", "completion"))
    return f"calls={calls}, prompt_tokens={prompt}, completion_tokens={written}"


async def relayed(service: Service, request: Request, path: str, *, generates: bool = False) -> Response:
    """Pass a request on to a route of the model's own server that this one does not deliberate on.

    Args:
        service: The service that all requests share.
        request: The request.
        path: The route, with its query: below ``/v1``, or absolute.
        generates: True if the call waits for its turn among those that generate.

    Raises:
        NoRoute: The model has no server, or its server does not have the route.
        APIError: The server failed.
    """
    request.scope["state"]["told"]["kind"] = "plain"
    content = await request.body()
    if not isinstance(service.model, Forwards):
        raise NoRoute(request.url.path)
    body = None if request.method in ("GET", "DELETE") else parse(content or b"{}")
    if body and "model" in body:
        body = _with_own_name(body, served_name(service.model.name), service.settings.routes)
    key, headers = _key(service, request), headers_for_backend(request)
    call = Call(body, path, request.method, key, headers)
    return await forwarded(request, service.model, service.call_limiter if generates else None, call)


def _with_own_name(body: dict[str, Any], served: str, routes: Mapping[str, str]) -> dict[str, Any]:
    """Return a body in which one of this server's names for the model is the model's own; others are left."""
    try:
        suffix_of(str(body["model"]), served, routes)
    except APIError:
        return body
    return {**body, "model": served}
