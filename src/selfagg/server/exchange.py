"""One request of any API from end to end: read, admitted, then passed on plainly or deliberated."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from contextlib import ExitStack, aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from starlette.requests import Request
from starlette.responses import Response

from selfagg.models.base import Forwards
from selfagg.run.runner import first_error_only
from selfagg.server.deliberation import DeliberationResult
from selfagg.server.disconnect import Pieces, Stream, opened, while_present
from selfagg.server.errors import APIError, Json, renamed
from selfagg.server.events import events, without_progress
from selfagg.server.passthrough import NoRoute, passed_on
from selfagg.server.plan import DeliberationPlan, asked_for
from selfagg.server.protocols import Api
from selfagg.server.protocols.chat import ChatApi
from selfagg.server.protocols.completions import CompletionsApi
from selfagg.server.protocols.messages import MessagesApi
from selfagg.server.protocols.responses import ResponsesApi
from selfagg.server.requests import Body, parse

if TYPE_CHECKING:
    from selfagg.server.service import Service

APIS: Final[tuple[type[Api], ...]] = (ChatApi, ResponsesApi, MessagesApi, CompletionsApi)

_NO_HEADER: Final = re.compile(r"[^\w.()\[\] -]", re.ASCII)
_LONGEST_HEADER: Final = 1000


class Exchange:
    """One request, and the fields of its log line in ``told``."""

    resumed: ClassVar[bool] = False  # the record may hold members of this request, from an earlier try

    def __init__(self, service: Service, request: Request, api: type[Api]) -> None:
        self.service, self.request, self.api = service, request, api
        self.told: dict[str, Any] = request.scope["state"]["told"]
        self._note = partial(service.metrics.work, self.told)

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
                response.at_end = place.pop_all().close  # its place is free when its last byte is out
            return response

    async def _admitted(self, body: dict[str, Any], place: ExitStack) -> Response:
        service = self.service
        plain = asked_for(body, service.name, service.settings).plain
        self.told |= {"kind": "plain" if plain else "deliberation", "model": service.model.name}
        outlives = self.api is ResponsesApi and bool(body.get("background"))  # its connection: it is answered here
        if plain and isinstance(service.model, Forwards) and not outlives:
            try:
                sent = {name: value for name, value in self.prepared(body, plain=True).items() if name != "rsa"}
                return await passed_on(service, self.request, self.api.route, sent, generates=True)
            except NoRoute:  # then chat completions can answer it
                if self.api is ChatApi:
                    raise
        answer = self.begun(body)
        body = self.prepared(body, plain=False)
        with renamed(self.api.names):
            plans = [service.plan(chat) for chat in self.api.read(body)]
            plan, method = plans[0], plans[0].method
            self.told |= {"id": answer.id, "method": method.name, "n": method.n, "t": method.t}
            response = await self.deliberated(answer, body, plans, place)
        if plan.ignored:
            response.headers["X-Selfagg-Ignored"] = _for_a_header(dict.fromkeys(plan.ignored))
        if plan.warning:
            response.headers["X-Selfagg-Warning"] = plan.warning
        return response

    # -- what an API, or a batch, may do otherwise

    def prepared(self, body: dict[str, Any], *, plain: bool) -> dict[str, Any]:
        """Return the request with all that it refers to."""
        return body

    def begun(self, body: Body) -> Api:
        """Return a new answer to a request."""
        return self.api(body)

    async def keep(self, answer: Api, body: Body) -> None:
        """Keep an answer that is whole, before the client has it."""

    async def deliberated(self, answer: Api, body: Body, plans: list[DeliberationPlan], place: ExitStack) -> Response:
        """Return the answer of a deliberation."""
        if not body.get("stream"):
            return await self._whole(answer, body, plans)
        pieces = self._pieces(answer, body, plans[0])
        return Stream(await opened(self.request.receive, pieces), pieces)

    # -- whole or in pieces

    async def _whole(self, answer: Api, body: Body, plans: list[DeliberationPlan]) -> Response:
        names = [answer.id, *(f"{answer.id}-{number}" for number in range(1, len(plans)))]
        run = partial(self.service.deliberator.run, usage=self._note, resumed=self.resumed)

        async def all_of_them() -> list[DeliberationResult]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(run(plan, name)) for plan, name in zip(plans, names, strict=True)]
            return [task.result() for task in tasks]

        outcomes = await while_present(self.request.receive, first_error_only(all_of_them()))
        self.told["cut_short"] = any(outcome.cut_short for outcome in outcomes)
        whole = answer.whole(outcomes)
        await self.keep(answer, body)
        calls, spent = sum(outcome.calls for outcome in outcomes), [outcome.spent for outcome in outcomes]
        prompt, written = sum(usage.prompt for usage in spent), sum(usage.completion for usage in spent)
        told = f"calls={calls}, prompt_tokens={prompt}, completion_tokens={written}"
        return Json(whole, headers={"X-Selfagg-Spent": told})

    async def _pieces(self, answer: Api, body: Body, plan: DeliberationPlan) -> Pieces:
        """Yield the stream's bytes; raise APIError before the first byte, later tell of it in the stream."""
        service, begun = self.service, False
        keep_alive_s = service.settings.keep_alive_s
        run = events(service.deliberator, plan, answer.id, keep_alive_s=keep_alive_s, usage=self._note)
        try:
            async with aclosing(run):
                async for event in run:
                    piece = answer.write(event) if begun else answer.begin() + answer.write(event)
                    if isinstance(event, DeliberationResult):
                        self.told["cut_short"] = event.cut_short
                        await self.keep(answer, body)
                    if piece:
                        begun = True
                        yield piece
        except APIError as error:
            if not begun:
                raise
            yield answer.failed(error)


def _for_a_header(names: Iterable[str]) -> str:
    return ", ".join(_NO_HEADER.sub("?", name) for name in names)[:_LONGEST_HEADER]
