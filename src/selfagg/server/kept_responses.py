"""The responses that a server keeps, and what clients do with them: go on with them, poll, cancel, delete them.

They are kept in two tables of the server's record: what was asked, what is answered, and every event that was told.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from selfagg.errors import UsageError
from selfagg.record.record import Record
from selfagg.record.rows import as_text
from selfagg.server.disconnect import Stream
from selfagg.server.errors import APIError, Json, parsed, refused
from selfagg.server.fields import Body
from selfagg.server.passthrough import NoRoute, passed_on

if TYPE_CHECKING:
    from selfagg.server.service import Service

KEPT_S: Final = 30 * 24 * 3600.0  # seconds that a response is kept after it was made, as OpenAI does
MOST_RECORDED: Final = 100_000
MOST_IN_MEMORY: Final = 1_000
"""Responses that are kept at once, in a record and without one; the oldest ones that are done go first."""

_PURGE_EVERY: Final = 100
_ITEM: Final = re.compile(r"(?:rs|msg|fc)_([0-9a-f]{48})\d+")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MOST_ITEMS: Final = 100
_WITHOUT: Final = "this server keeps no conversations: start it with --record FILE, or send the whole one as input"

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS responses (id TEXT PRIMARY KEY, created REAL NOT NULL, open INTEGER NOT NULL, "
    "request TEXT NOT NULL, response TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS response_events (id TEXT NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL, "
    "PRIMARY KEY (id, number))",
)
_DELETE: Final = ("DELETE FROM responses WHERE id = ?", "DELETE FROM response_events WHERE id = ?")
_PURGE: Final = (
    "DELETE FROM responses WHERE NOT open AND (created < ? OR id IN "
    "(SELECT id FROM responses WHERE NOT open ORDER BY created DESC LIMIT -1 OFFSET ?))",
    "DELETE FROM response_events WHERE id NOT IN (SELECT id FROM responses)",
)

Event = Mapping[str, Any]
Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class KeptResponse:
    """One response as it is kept; ``open`` while it is being worked on. ``request`` is as `KeptResponses.request`."""

    id: str
    open: bool
    request: Mapping[str, Any]
    response: dict[str, Any]


class KeptResponses:
    """The responses of a server, in its record; without one, in memory while the server runs."""

    def __init__(self, record: Record | None) -> None:
        self.record, self._recorded = record or Record(None), record is not None
        self._most = MOST_RECORDED if record else MOST_IN_MEMORY
        self._made = 0
        with self.record.transaction() as database:
            for statement in _TABLES:
                database.execute(statement)

    def close(self) -> None:
        """Let go of what is in memory."""
        if not self._recorded:
            self.record.close()

    def request(self, body: Body, chat: Body | None = None) -> dict[str, Any]:
        """Return the part of a request that is kept: nothing in memory, where conversations would pile up.

        ``items`` is the whole conversation; ``chat``, of a response in the background, what goes on after a restart.
        """
        if not self._recorded:
            return {"items": []}
        return {"items": _items(body), **({"chat": chat} if chat else {})}

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
        await self._write([(statement, (name,)) for statement in _DELETE])

    async def _write(self, statements: Iterable[Statement]) -> None:
        with _plainly():  # what is handed over together is committed together
            await asyncio.gather(*(self.record.write(*statement) for statement in statements))

    def get(self, name: str) -> KeptResponse | None:
        """Return a response, or None."""
        return next(self._read("id = ?", name), None)

    def unfinished(self) -> list[KeptResponse]:
        """Return the responses that are to be gone on with, in the order in which they came."""
        return [*self._read("open = ? ORDER BY created", 1)]

    def _read(self, where: str, value: object) -> Iterator[KeptResponse]:
        statement = f"SELECT id, open, request, response FROM responses WHERE {where}"  # noqa: S608 - no input
        with _plainly():
            for name, is_open, request, response in self.record.query(statement, (value,)):
                yield KeptResponse(name, bool(is_open), json.loads(request), json.loads(response))

    def events(self, name: str, after: int = -1) -> list[dict[str, Any]]:
        """Return the events of a response that follow number ``after``."""
        statement = "SELECT event FROM response_events WHERE id = ? AND number > ? ORDER BY number"
        with _plainly():
            return [json.loads(event) for (event,) in self.record.query(statement, (name, after))]

    # -- what a request refers to

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a request with all that it refers to in its input: the conversation before it, single items.

        Raises:
            APIError: It is not kept here, and no other server can have it.
        """
        previous, items = body.get("previous_response_id"), _items(body)
        refers = isinstance(previous, str) or any(map(_is_reference, items))
        if not refers or not isinstance(body.get("input") or [], str | list):
            return body
        before = self._conversation(previous) if isinstance(previous, str) else []
        whole = [*before, *(self._referred(item, place) for place, item in enumerate(items))]
        return {**{name: value for name, value in body.items() if name != "previous_response_id"}, "input": whole}

    def _conversation(self, name: str) -> list[Any]:
        field = "previous_response_id"
        if not self._recorded:
            raise refused(f"{field}: {_WITHOUT}", field, "unsupported_parameter")
        kept = self.get(name)
        if kept is None or kept.open:
            why = "is not done yet" if kept else "is not kept here"
            raise refused(f"{field}: response {name[:100]!r} {why}", field, "previous_response_not_found")
        return [*kept.request["items"], *kept.response["output"]]

    def _referred(self, item: Any, place: int) -> Any:
        if not _is_reference(item):
            return item
        name = str(item.get("id"))
        match = _ITEM.fullmatch(name)
        kept = self.get(f"resp_{match[1]}") if match else None
        for one in kept.response["output"] if kept else ():
            if one["id"] == name:
                return one
        raise refused(f"input.{place}: item {name[:100]!r} is not kept here: send it whole", f"input.{place}")


def _rows(name: str, events: Iterable[Event]) -> list[Statement]:
    statement = "INSERT INTO response_events VALUES (?, ?, ?)"
    return [(statement, (name, event["sequence_number"], as_text(event))) for event in events]


@contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except UsageError:
        raise APIError(500, "this server cannot read or write its record", code="record_error") from None


def _is_reference(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("type") == "item_reference"


def _items(body: Body) -> list[Any]:
    given = body.get("input") or []
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return list(given) if isinstance(given, list) else []


# -- the routes below ``/v1/responses/{id}``


async def retrieve_response(service: Service, query: QueryParams, kept: KeptResponse) -> Response:
    """Return a kept response; with ``stream=true`` its events after number ``starting_after``."""
    if query.get("stream", "").lower() not in ("true", "1"):
        return Json(kept.response)
    if not kept.response["background"]:
        raise refused("stream: only a response made with background: true is streamed again", "stream")
    after = query.get("starting_after", "-1")
    if not re.fullmatch(r"-?\d{1,12}", after):
        raise refused(f"starting_after: {after[:100]!r} is no event's number", "starting_after")
    return Stream(b"", service.background.stream(kept.id, int(after)))


async def cancel_response(service: Service, _: QueryParams, kept: KeptResponse) -> Response:
    """End the work on a response in the background; one that is done stays as it is."""
    if not kept.response["background"]:
        raise refused("only a response made with background: true can be cancelled", "response_id")
    await service.background.cancel(kept.id)
    return Json((service.kept.get(kept.id) or kept).response)


async def delete_response(service: Service, _: QueryParams, kept: KeptResponse) -> Response:
    """Delete a kept response."""
    await service.background.cancel(kept.id)
    await service.kept.delete(kept.id)
    return Json({"id": kept.id, "object": "response", "deleted": True})


async def list_input_items(_: Service, query: QueryParams, kept: KeptResponse) -> Response:
    """List the items that a kept response answers, the newest first unless ``order=asc``."""
    items = [{"id": f"item_{place}", **item} for place, item in enumerate(kept.request["items"])]
    items = items if query.get("order") == "asc" else items[::-1]
    names, limit = [item["id"] for item in items], query.get("limit", "20")
    start = names.index(query["after"]) + 1 if query.get("after") in names else 0
    end = start + (min(int(limit), _MOST_ITEMS) if limit.isdigit() else 20)
    shown = names[start:end] or [None]
    ends = {"first_id": shown[0], "last_id": shown[-1], "has_more": end < len(items)}
    return Json({"object": "list", "data": items[start:end], **ends})


def add_routes(app: FastAPI, service: Service) -> None:
    """Add the routes about a response; an id that is not kept here is the model's own server's affair."""
    for verb, more, answer in (
        ("GET", "", retrieve_response),
        ("POST", "/cancel", cancel_response),
        ("DELETE", "", delete_response),
        ("GET", "/input_items", list_input_items),
    ):
        path, endpoint, words = f"/v1/responses/{{name}}{more}", _endpoint(service, more, answer), answer.__doc__
        app.add_api_route(path, endpoint, methods=[verb], name=answer.__name__, description=words, response_model=None)


def _endpoint(
    service: Service, more: str, answer: Callable[[Service, QueryParams, KeptResponse], Awaitable[Response]]
) -> Callable[[str, Request], Awaitable[Response]]:
    async def endpoint(name: str, request: Request) -> Response:
        if kept := service.kept.get(name):
            return await answer(service, request.query_params, kept)
        missing = APIError(404, f"no response {name[:100]!r} is kept here", param="response_id")
        if not _NAME.fullmatch(name):
            raise missing
        query = f"?{request.url.query}" if request.url.query else ""
        body = parsed(await request.body() or b"{}") if request.method == "POST" else None
        try:
            return await passed_on(service, request, f"responses/{name}{more}{query}", body, generates=False)
        except NoRoute:
            raise missing from None

    return endpoint
