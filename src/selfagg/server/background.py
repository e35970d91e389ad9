"""Deliberations that outlive their connections: a response in the background goes on until it is done.

Every event is on disk before a client is told of it, and the answer's text is told when the record has it. So a server
that was killed goes on where it was, and a client that comes back hears what follows what it has heard.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack, aclosing
from functools import partial
from typing import Any

from selfagg.server.deliberation import DeliberationResult, Deliberator, MemberDone
from selfagg.server.disconnect import Pieces
from selfagg.server.errors import APIError, sse
from selfagg.server.kept_responses import KeptResponse, KeptResponses
from selfagg.server.monitoring import Metrics
from selfagg.server.plan import DeliberationPlan
from selfagg.server.protocols import KEEP_ALIVE
from selfagg.server.protocols.responses import ResponseEvents

log = logging.getLogger("selfagg.server")


class Background:
    """The responses that are worked on in the background."""

    def __init__(self, deliberator: Deliberator, kept: KeptResponses, metrics: Metrics, keep_alive_s: float) -> None:
        self._deliberator, self._kept, self._metrics = deliberator, kept, metrics
        self._keep_alive_s = keep_alive_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}

    @property
    def open(self) -> int:
        return len(self._tasks)

    async def start(
        self, response: dict[str, Any], request: Mapping[str, Any], plan: DeliberationPlan, place: ExitStack
    ) -> dict[str, Any]:
        """Begin to work on a new response; return its object as the client gets it.

        ``request`` is as in `KeptResponse`. Its ``place`` is closed when the work has ended, in whatever way.
        """
        told = ResponseEvents(response | {"status": "queued"})
        await self._kept.put(request, told.response, told.begin("created", "queued"), open=True)
        task = self._launch(KeptResponse(response["id"], True, request, told.response), plan)
        leave = place.pop_all()
        task.add_done_callback(lambda _: leave.close())
        return dict(told.response)

    async def resume(self, plan: Callable[[Mapping[str, Any]], DeliberationPlan]) -> None:
        """Go on with all that was not done when the server ended; ``plan`` works a request in chat's form out."""
        for kept in self._kept.unfinished():
            try:
                self._launch(kept, plan(kept.request["chat"]))
            except APIError as error:  # this server has other limits than the one that took the request
                told = ResponseEvents(kept.response, self._kept.events(kept.id))
                await self._kept.put(kept.request, kept.response, told.fail(error))

    def _launch(self, kept: KeptResponse, plan: DeliberationPlan) -> asyncio.Task[None]:
        self._news[kept.id] = asyncio.Event()
        task = self._tasks[kept.id] = asyncio.create_task(self._work(kept, plan))
        task.add_done_callback(lambda _: self._tasks.pop(kept.id, None))
        return task

    async def _work(self, kept: KeptResponse, plan: DeliberationPlan) -> None:
        told = ResponseEvents(kept.response, self._kept.events(kept.id))
        noted: dict[str, Any] = {"kind": "background", "id": kept.id, "method": plan.method.name}
        try:
            rest = await self._deliberate(kept, told, plan, noted)
        except APIError as error:
            rest = told.fail(error)
        except Exception:
            log.exception("response %s failed", kept.id)
            rest = told.fail(APIError(500, "the server failed on this request"))
        try:
            await asyncio.shield(self._kept.put(kept.request, told.response, rest))
        finally:
            self._news.pop(kept.id).set()
            log.info(json.dumps(noted | {"status": told.response["status"]}))

    async def _deliberate(
        self, kept: KeptResponse, told: ResponseEvents, plan: DeliberationPlan, noted: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Write the events of the work while it goes on; return the events of the answer."""
        if told.response["status"] == "queued":
            told.response["status"] = "in_progress"
            await self._kept.put(kept.request, told.response, told.begin("in_progress"), open=True)
            self._spread(kept.id)
        known = told.members  # of which the client has heard
        rest: list[dict[str, Any]] = []
        usage = partial(self._metrics.work, noted)
        events = self._deliberator.events(plan, kept.id, keep_alive_s=None, live=False, resumed=True, usage=usage)
        async with aclosing(events):
            async for event in events:
                if not isinstance(event, MemberDone):
                    rest += told.of(event)
                elif known:
                    known -= 1
                elif plan.progress in ("reasoning", "members"):
                    await self._kept.tell(kept.id, told.of(event))
                    self._spread(kept.id)
                if isinstance(event, DeliberationResult):
                    noted["cut_short"] = event.account["cut_short"]
        return rest

    def _spread(self, name: str) -> None:
        news, self._news[name] = self._news[name], asyncio.Event()
        news.set()

    async def stream(self, name: str, after: int) -> Pieces:
        """Yield the events of a response after number ``after``, those to come included."""
        while True:
            news = self._news.get(name)
            for event in self._kept.events(name, after):
                after = event["sequence_number"]
                yield sse(event)
            if news is None:
                return
            try:
                async with asyncio.timeout(self._keep_alive_s):
                    await news.wait()
            except TimeoutError:
                yield KEEP_ALIVE

    async def cancel(self, name: str) -> None:
        """End the work on a response, if there is any."""
        if (task := self._tasks.get(name)) is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._kept.record.drain()
        if (kept := self._kept.get(name)) and kept.open:  # it did not come to its end at the same moment
            told = ResponseEvents(kept.response, self._kept.events(name))
            await self._kept.put(kept.request, kept.response, told.cancel())
        self._news.pop(name, asyncio.Event()).set()

    async def close(self) -> None:
        """End all work; what a record keeps goes on when the server starts again."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
