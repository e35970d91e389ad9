"""Deliberations that outlive their connections: a response in the background goes on until it is done.

Every event is on disk before a client is told of it, and the answer's text is told when the record has it. So a server
that was killed goes on where it was, and a client that comes back hears what follows what it has heard.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final

from selfagg.server.access_log import note_work
from selfagg.server.deliberation import DeliberationResult, Deliberator
from selfagg.server.errors import APIError
from selfagg.server.events import Progress, events
from selfagg.server.kept import Kept, KeptResponse
from selfagg.server.metrics import Metrics
from selfagg.server.plan import DeliberationPlan
from selfagg.server.protocols.base import KEEP_ALIVE, named
from selfagg.server.protocols.responses import ResponseEvents

log = logging.getLogger("selfagg.server")

_DELTA: Final = "response.reasoning_summary_text.delta"


class Background:
    """The responses that are worked on in the background.

    Args:
        deliberator: Answers them.
        kept: Keeps them.
        metrics: Counts what they take.
        keep_alive_s: Longest silence of a stream, in seconds.
    """

    def __init__(self, deliberator: Deliberator, kept: Kept, metrics: Metrics, keep_alive_s: float) -> None:
        self._deliberator, self._kept, self._metrics = deliberator, kept, metrics
        self._keep_alive_s = keep_alive_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}

    @property
    def open(self) -> int:
        """Return the number of responses that are worked on."""
        return len(self._tasks)

    async def start(
        self, response: dict[str, Any], request: Mapping[str, Any], plan: DeliberationPlan, at_end: Callable[[], None]
    ) -> dict[str, Any]:
        """Begin to work on a new response; return its object as the client gets it.

        Args:
            response: The response object.
            request: The part that a restart needs to go on, as `KeptResponse.request`.
            plan: The plan of the deliberation.
            at_end: Called when the work has ended, in whatever way.
        """
        told = ResponseEvents({**response, "status": "queued"})
        await self._kept.put(response["id"], request, told.response, told.begin("created", "queued"), open=True)
        self._launch(KeptResponse(response["id"], True, request, told.response), plan, at_end)
        return dict(told.response)

    async def resume(self, plan: Callable[[Mapping[str, Any]], DeliberationPlan]) -> None:
        """Go on with all that was not done when the server ended; ``plan`` works a request in chat's form out."""
        for kept in self._kept.unfinished():
            try:
                self._launch(kept, plan(kept.request["chat"]), lambda: None)
            except APIError as error:  # this server has other limits than the one that took the request
                told = ResponseEvents(kept.response, self._kept.events(kept.id))
                await self._kept.put(kept.id, kept.request, kept.response, told.fail(error))

    def _launch(self, kept: KeptResponse, plan: DeliberationPlan, at_end: Callable[[], None]) -> None:
        self._news[kept.id] = asyncio.Event()
        task = self._tasks[kept.id] = asyncio.create_task(self._work(kept, plan))
        task.add_done_callback(lambda _: self._tasks.pop(kept.id, None))
        task.add_done_callback(lambda _: at_end())

    async def _work(self, kept: KeptResponse, plan: DeliberationPlan) -> None:
        before = self._kept.events(kept.id)
        told = ResponseEvents(kept.response, before)
        noted: dict[str, Any] = {"kind": "background", "id": kept.id, "method": plan.method.name}
        try:
            rest = await self._deliberate(kept, told, plan, before, noted)
        except APIError as error:
            rest = told.fail(error)
        except Exception:
            log.exception("response %s failed", kept.id)
            rest = told.fail(APIError(500, "the server failed on this request"))
        try:
            await asyncio.shield(self._kept.put(kept.id, kept.request, told.response, rest))
        finally:
            self._news.pop(kept.id).set()
            log.info(json.dumps(noted | {"status": told.response["status"]}))

    async def _deliberate(
        self,
        kept: KeptResponse,
        told: ResponseEvents,
        plan: DeliberationPlan,
        before: Sequence[Mapping[str, Any]],
        noted: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Write the events of the work while it goes on; return the events of the answer."""
        name = kept.id
        if told.response["status"] == "queued":
            told.response["status"] = "in_progress"
            await self._kept.put(name, kept.request, told.response, told.begin("in_progress"), open=True)
            self._spread(name)
        known = sum(event["type"] == _DELTA for event in before)  # members of which the client has heard
        rest: list[dict[str, Any]] = []
        usage = partial(note_work, noted, self._metrics)
        happening = events(self._deliberator, plan, name, keep_alive_s=None, live=False, resumed=True, usage=usage)
        async with aclosing(happening):
            async for event in happening:
                if not isinstance(event, Progress):
                    rest += told.events(event)
                elif known:
                    known -= 1
                elif plan.progress in ("reasoning", "members"):
                    await self._kept.tell(name, told.events(event))
                    self._spread(name)
                if isinstance(event, DeliberationResult):
                    noted["cut_short"] = event.cut_short
        return rest

    def _spread(self, name: str) -> None:
        """Let those who listen hear that there is something new."""
        news, self._news[name] = self._news[name], asyncio.Event()
        news.set()

    async def stream(self, name: str, after: int) -> AsyncGenerator[bytes, None]:
        """Yield the events of a response after number ``after``, those to come included."""
        while True:
            news = self._news.get(name)
            for event in self._kept.events(name, after):
                after = event["sequence_number"]
                yield named(event)
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
        await self._kept.settled()
        if (kept := self._kept.get(name)) and kept.open:  # it did not come to its end at the same moment
            told = ResponseEvents(kept.response, self._kept.events(name))
            await self._kept.put(name, kept.request, kept.response, told.cancel())
        self._news.pop(name, asyncio.Event()).set()

    async def close(self) -> None:
        """End all work; what a record keeps goes on when the server starts again."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
