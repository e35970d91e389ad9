"""Deliberations that outlive their connections: a response in the background goes on until it is done.

Every event is on disk before a client is told of it, and the answer's text is told when the record has it. So a server
that was killed goes on where it was, and a client that comes back hears what follows what it has heard. What was asked,
what is answered and every event told are kept in two tables of the server's record.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from selfagg.errors import UsageError
from selfagg.record.record import Record
from selfagg.record.rows import as_text
from selfagg.server.deliberation import DeliberationResult, Deliberator
from selfagg.server.disconnect import Pieces
from selfagg.server.errors import APIError, sse
from selfagg.server.events import MemberDone, events
from selfagg.server.monitoring import Metrics
from selfagg.server.plan import DeliberationPlan
from selfagg.server.protocols import KEEP_ALIVE
from selfagg.server.protocols.responses import ResponseEvents

log = logging.getLogger("selfagg.server")

KEPT_S: Final = 30 * 24 * 3600.0  # seconds that a response is kept after it was made, as OpenAI does
MOST_RECORDED: Final = 100_000
MOST_IN_MEMORY: Final = 1_000
"""Responses that are kept at once, in a record and without one; the oldest ones that are done go first."""

_PURGE_EVERY: Final = 100

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS responses (id TEXT PRIMARY KEY, created REAL NOT NULL, open INTEGER NOT NULL, "
    "request TEXT NOT NULL, response TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS response_events (id TEXT NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL, "
    "PRIMARY KEY (id, number))",
)
_NAMES: Final = ("responses", "response_events")
_PURGE: Final = (
    "DELETE FROM responses WHERE NOT open AND (created < ? OR id IN "
    "(SELECT id FROM responses WHERE NOT open ORDER BY created DESC LIMIT -1 OFFSET ?))",
    "DELETE FROM response_events WHERE id NOT IN (SELECT id FROM responses)",
)

Event = Mapping[str, Any]
Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class KeptResponse:
    """One response as it is kept; ``open`` while it is being worked on.

    ``request`` has the whole conversation as ``items``, and of a background response as ``chat`` what goes on after a
    restart. In memory, without a record, neither is kept.
    """

    id: str
    open: bool
    request: Mapping[str, Any]
    response: dict[str, Any]


class KeptResponses:
    """The responses of a server, in its record; without one, in memory while the server runs."""

    def __init__(self, record: Record | None) -> None:
        self._record = record or Record(None)
        self._most = MOST_RECORDED if record else MOST_IN_MEMORY
        self._made = 0
        self.close: Callable[[], None] = (lambda: None) if record else self._record.close
        with self._record.transaction() as database:
            for statement in _TABLES:
                database.execute(statement)

    async def put(
        self,
        request: Mapping[str, Any],
        response: Mapping[str, Any],
        events: Sequence[Event] = (),
        *,
        open: bool = False,  # noqa: A002 - the column's name
    ) -> None:
        """Keep a response; what was kept under its id before is replaced, its events stay."""
        row = (response["id"], response["created_at"], int(open), as_text(request), as_text(response))
        statements: list[Statement] = [("INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?, ?)", row)]
        statements += _rows(response["id"], events)
        if self._made % _PURGE_EVERY == 0:
            statements += [(_PURGE[0], (time.time() - KEPT_S, self._most)), (_PURGE[1], ())]
        self._made += 1
        await self._write(statements)

    async def tell(self, name: str, events: Iterable[Event]) -> None:
        """Keep events of a response; on disk when this returns."""
        await self._write(_rows(name, events))

    async def delete(self, name: str) -> None:
        """Delete a response and its events."""
        await self._write([(f"DELETE FROM {table} WHERE id = ?", (name,)) for table in _NAMES])  # noqa: S608

    async def _write(self, statements: Iterable[Statement]) -> None:
        with _plainly():  # what is handed over together is committed together
            await asyncio.gather(*(self._record.write(*statement) for statement in statements))

    async def settled(self) -> None:
        """Wait until all that was handed over is on disk."""
        await self._record.drain()

    def get(self, name: str) -> KeptResponse | None:
        """Return a response, or None."""
        return next(self._read("id = ?", name), None)

    def unfinished(self) -> list[KeptResponse]:
        """Return the responses that are to be gone on with, in the order in which they came."""
        return [*self._read("open = ? ORDER BY created", 1)]

    def _read(self, where: str, value: object) -> Iterator[KeptResponse]:
        statement = f"SELECT id, open, request, response FROM responses WHERE {where}"  # noqa: S608 - no input
        with _plainly():
            for name, is_open, request, response in self._record.query(statement, (value,)):
                yield KeptResponse(name, bool(is_open), json.loads(request), json.loads(response))

    def events(self, name: str, after: int = -1) -> list[dict[str, Any]]:
        """Return the events of a response that follow number ``after``."""
        statement = "SELECT event FROM response_events WHERE id = ? AND number > ? ORDER BY number"
        with _plainly():
            return [json.loads(event) for (event,) in self._record.query(statement, (name, after))]


def _rows(name: str, events: Iterable[Event]) -> list[Statement]:
    statement = "INSERT INTO response_events VALUES (?, ?, ?)"
    return [(statement, (name, event["sequence_number"], as_text(event))) for event in events]


@contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except UsageError:
        raise APIError(500, "this server cannot read or write its record", code="record_error") from None


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
        name = kept.id
        if told.response["status"] == "queued":
            told.response["status"] = "in_progress"
            await self._kept.put(kept.request, told.response, told.begin("in_progress"), open=True)
            self._spread(name)
        known = told.members  # of which the client has heard
        rest: list[dict[str, Any]] = []
        usage = partial(self._metrics.work, noted)
        happening = events(self._deliberator, plan, name, keep_alive_s=None, live=False, resumed=True, usage=usage)
        async with aclosing(happening):
            async for event in happening:
                if not isinstance(event, MemberDone):
                    rest += told.of(event)
                elif known:
                    known -= 1
                elif plan.progress in ("reasoning", "members"):
                    await self._kept.tell(name, told.of(event))
                    self._spread(name)
                if isinstance(event, DeliberationResult):
                    noted["cut_short"] = event.cut_short
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
        await self._kept.settled()
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
