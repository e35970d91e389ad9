"""``POST /v1/chat/completions``: read, admitted, then passed on plainly or deliberated."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from functools import partial
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from selfagg.models.base import Forwards
from selfagg.server.access_log import note_work
from selfagg.server.answers import completion
from selfagg.server.auth import bearer
from selfagg.server.disconnect import Stream, opened, while_present
from selfagg.server.errors import Json
from selfagg.server.names import served_name
from selfagg.server.passthrough import forwarded
from selfagg.server.plan import DeliberationPlan, planned
from selfagg.server.schemas import parse
from selfagg.server.service import Service
from selfagg.server.streaming import ChatStream


class Chat:
    """One request."""

    def __init__(self, service: Service, request: Request) -> None:
        self._service = service
        self._request = request
        self._told: dict[str, Any] = request.scope["state"]["told"]

    async def answer(self) -> Response:
        """The answer, whole or as a stream.

        Raises:
            APIError: What the client did wrong, or why there is no answer.
            ClientGone: It hung up.
        """
        service = self._service
        with ExitStack() as place:
            place.enter_context(service.admission.enter())  # before the body is read: a body takes memory
            return await self._admitted(place)

    async def _admitted(self, place: ExitStack) -> Response:
        service = self._service
        body = parse(await self._request.body())
        model = service.model
        forwards = isinstance(model, Forwards)
        plan = planned(body, served_name(model.name), service.settings, forwards=forwards)
        self._told |= {"kind": "plain" if plan is None else "deliberation", "model": model.name}
        response: Response
        if plan is None:
            response = await self._passed_on(cast(Forwards, model), body)
        elif plan.request.stream:
            response = await self._streamed(plan)
        else:
            response = await self._whole(plan)
        if isinstance(response, Stream):
            response.on_end(place.pop_all().close)  # its place is free when its last byte is out
        return response

    async def _passed_on(self, model: Forwards, body: dict[str, Any]) -> Response:
        key = bearer(self._request.headers) if self._service.settings.forward_key else ""
        return await forwarded(self._request, model, self._service.call_limiter, body, key or None)

    async def _whole(self, plan: DeliberationPlan) -> Response:
        head = self._head(plan)
        work = self._service.deliberator.run(plan, head["id"], usage=self._note())
        outcome = await while_present(self._request.scope, self._request.receive, work)
        self._told["cut_short"] = outcome.cut_short
        return Json(completion(outcome, plan, head))

    async def _streamed(self, plan: DeliberationPlan) -> Response:
        options = plan.request.stream_options
        stream = ChatStream(
            self._service.deliberator,
            plan,
            self._head(plan),
            include_usage=bool(options and options.include_usage),
            keep_alive_s=self._service.settings.keep_alive_s,
            on_usage=self._note(),
        )
        pieces: AsyncGenerator[bytes, None] = stream.pieces()
        first = await opened(self._request, pieces)
        return Stream(first, pieces, headers={"Content-Type": "text/event-stream; charset=utf-8"})

    def _head(self, plan: DeliberationPlan) -> dict[str, Any]:
        name = f"chatcmpl-{secrets.token_hex(12)}"
        self._told |= {"id": name, "method": plan.method.name, "n": plan.method.n, "t": plan.method.t}
        return {"id": name, "model": plan.request.model, "created": int(time.time())}

    def _note(self) -> Any:
        return partial(note_work, self._told, self._service.metrics)
