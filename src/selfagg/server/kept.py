"""Responses that are kept, in two tables of the server's record: what was asked, what is answered, every event told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from selfagg.errors import UsageError
from selfagg.record.record import Record
from selfagg.record.rows import as_text, storable
from selfagg.server.errors import APIError

KEPT_S: Final = 30 * 24 * 3600.0
"""Seconds that a response is kept after it was made, as OpenAI does."""

MOST_RECORDED: Final = 100_000
MOST_IN_MEMORY: Final = 1_000
"""Responses that are kept at once, in a record and without one; the oldest ones that are done go first."""

_PURGE_EVERY: Final = 100

_TABLES = (
    "CREATE TABLE IF NOT EXISTS responses (id TEXT PRIMARY KEY, created REAL NOT NULL, open INTEGER NOT NULL, "
    "request TEXT NOT NULL, response TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS response_events (id TEXT NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL, "
    "PRIMARY KEY (id, number))",
)
_EVENT = "INSERT INTO response_events VALUES (?, ?, ?)"
_PURGE = (
    "DELETE FROM responses WHERE NOT open AND (created < ? OR id IN "
    "(SELECT id FROM responses WHERE NOT open ORDER BY created DESC LIMIT -1 OFFSET ?))",
    "DELETE FROM response_events WHERE id NOT IN (SELECT id FROM responses)",
)


@dataclass(frozen=True)
class KeptResponse:
    """One response as it is kept.

    Attributes:
        id: Its id.
        open: True if it is still being worked on.
        request: ``items``: the whole conversation; ``chat``: of a background response what goes on after a restart.
            In memory, without a record, neither is kept.
        response: The API's response object.
    """

    id: str
    open: bool
    request: Mapping[str, Any]
    response: dict[str, Any]


class Kept:
    """The responses of a server.

    Args:
        record: The server's record; None: they are kept in memory while the server runs.

    Raises:
        UsageError: The record cannot be written.
    """

    def __init__(self, record: Record | None) -> None:
        self._record = record or Record(None)
        self._own = record is None
        self._most = MOST_IN_MEMORY if record is None else MOST_RECORDED
        self._made = 0
        with self._record.transaction() as database:
            for statement in _TABLES:
                database.execute(statement)

    async def put(
        self,
        name: str,
        request: Mapping[str, Any],
        response: Mapping[str, Any],
        events: Sequence[Mapping[str, Any]] = (),
        *,
        open: bool = False,  # noqa: A002 - the column's name
    ) -> None:
        """Keep a response; what was kept under its id before is replaced, its events stay."""
        row = (name, response["created_at"], int(open), as_text(request), as_text(response))
        statements = [("INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?, ?)", row), *_rows(name, events)]
        if self._made % _PURGE_EVERY == 0:
            statements += [(_PURGE[0], (time.time() - KEPT_S, self._most)), (_PURGE[1], ())]
        self._made += 1
        await self._together(statements)

    async def tell(self, name: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Keep events of a response; on disk when this returns."""
        with _plainly():
            await asyncio.gather(*(self._record.write(statement, row) for statement, row in _rows(name, events)))

    async def delete(self, name: str) -> None:
        """Delete a response and its events."""
        statements = [f"DELETE FROM {table} WHERE id = ?" for table in ("responses", "response_events")]  # noqa: S608
        await self._together([(statement, (name,)) for statement in statements])

    async def _together(self, statements: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        def execute() -> None:
            with self._record.transaction() as database:
                for statement, row in statements:
                    database.execute(statement, tuple(map(storable, row)))

        with _plainly():
            await self._record.in_turn(execute)

    async def settled(self) -> None:
        """Wait until all that was handed over is on disk."""
        await self._record.in_turn(lambda: None)

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

    def close(self) -> None:
        """Forget what was kept in memory."""
        if self._own:
            self._record.close()


def _rows(name: str, events: Iterable[Mapping[str, Any]]) -> list[tuple[str, tuple[Any, ...]]]:
    return [(_EVENT, (name, event["sequence_number"], as_text(event))) for event in events]


@contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except UsageError:
        raise APIError(500, "this server cannot read or write its record", code="record_error") from None
