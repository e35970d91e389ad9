"""The record of a run: one SQLite file that holds all that was generated, as soon as it was.

``await record.save(...)`` returns when the generation is on disk, so nothing is used that a crash could lose.
Generations that finish together are committed together.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar, TypeVarTuple

from selfagg._internal.files import readable
from selfagg.errors import UsageError
from selfagg.record import rows
from selfagg.record.configuration import as_meant, differences
from selfagg.record.database import WriteLock, opened, reading, transaction, writing
from selfagg.record.rows import CANDIDATE, Generation
from selfagg.types import Member, Question

__all__ = ["CANDIDATE", "Generation", "NullStore", "Record", "Store"]

T = TypeVar("T")
Given = TypeVarTuple("Given")


class Record:
    """A run's record, open for writing by one process at a time; to be read only, by anybody at any time.

    Without a path it is kept in memory. ``trusted``: it was looked over a moment ago, and its pages need not be read
    again. ``copied`` is true of a temporary copy, because the file has an older format.

    Raises:
        UsageError: The file is no record, is damaged, cannot be written, or another process writes it.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False, trusted: bool = False) -> None:
        self.path = path
        if path is not None and read_only:
            readable(path, "record")
        self._lock = WriteLock(path) if path is not None and not read_only else None
        try:
            self._database, self.copied = opened(path, read_only=read_only, trusted=trusted)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="selfagg-record")
        self._gathered: list[tuple[str, tuple[Any, ...]]] = []
        self._next_commit: asyncio.Task[None] | None = None
        self._commit: asyncio.Task[None] | None = None
        self._session: int | None = None
        self._asked = 0
        self._begun = time.monotonic()

    # -- the run

    @property
    def configuration(self) -> dict[str, Any]:
        """Return the configuration with which the run was started; ``{}`` in a new record."""
        return as_meant(self._value("configuration"))

    @property
    def about(self) -> dict[str, Any]:
        """Return the recorded versions and circumstances, which are not compared."""
        return self._value("about")

    def _value(self, key: str) -> dict[str, Any]:
        with reading(self.path):
            row = self._database.execute("SELECT value FROM run WHERE key = ?", (key,)).fetchone()
            return {**json.loads(row[0])} if row else {}

    def check_run(self) -> None:
        """Check that the record holds a run that an analysis can read.

        Raises:
            UsageError: No run was begun in it, or what it says of its run is wrong.
        """
        if not self.configuration:
            raise UsageError(f"record {self.path} is empty: no run was begun in it")
        with reading(self.path):
            rows.check_configuration(self.configuration)
        self._check_places()

    def _check_places(self) -> None:
        """Check that all members have a place in the run; a server's requests name sizes of their own."""
        if self.configuration.get("source") == "serve":
            return
        method = self.configuration.get("method", {})
        count, last = self.query("SELECT count(*), coalesce(max(position) + 1, 0) FROM questions")[0]
        if count != last:
            raise UsageError(f"record {self.path} is damaged: it lacks questions")
        t, i = self.query("SELECT max(t), max(i) FROM generations")[0]
        if t is not None and (t > method.get("t", t) or i >= method.get("n", i + 1)):
            raise UsageError(
                f"record {self.path} is damaged: it holds members of population {t} or at place {i}, which its method "
                "does not have"
            )

    def begin(
        self,
        configuration: Mapping[str, Any],
        questions: Sequence[Question],
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Begin a new run in an empty record, or go on with the one that is there.

        Raises:
            UsageError: The record holds a run with another configuration or other questions; names what differs.
        """
        if recorded := self.configuration:
            asked = json.loads(rows.as_text(configuration))
            found = "; ".join(differences(recorded, asked, "in the record")) or self._differing_question(questions)
            if found:
                raise UsageError(f"record {self.path} holds another run: {found}")
            self._check_places()
        with self.transaction() as database:
            if not recorded:
                values = [("configuration", rows.as_text(configuration)), ("about", rows.as_text(about or {}))]
                database.executemany("INSERT INTO run VALUES (?, ?)", values)
                database.executemany(rows.INSERT_QUESTION, map(rows.question_row, range(len(questions)), questions))
            started = "INSERT INTO sessions (started, seconds) VALUES (?, 0.0)"
            self._session = database.execute(started, (time.time(),)).lastrowid
            self._begun = time.monotonic()
        ((self._asked,),) = self.query("SELECT coalesce(max(position) + 1, 0) FROM questions")

    def _differing_question(self, questions: Sequence[Question]) -> str:
        recorded = self.query("SELECT body FROM questions ORDER BY position")
        if len(recorded) != len(questions):
            return f"questions: {len(recorded)} in the record, {len(questions)} asked for"
        for position, ((body,), question) in enumerate(zip(recorded, questions, strict=True)):
            if body != rows.question_body(question):
                return f"question {position + 1} ({question.id}) reads otherwise in the record"
        return ""

    async def add(self, question: Question) -> int:
        """Add a question to a run that takes questions as they come (a server's); return its position.

        The question must have an id that no other one of this record has.
        """
        position, self._asked = self._asked, self._asked + 1
        await self.write(rows.INSERT_QUESTION, rows.question_row(position, question))
        return position

    def questions(self, positions: range = range(2**62)) -> Iterator[Question]:
        """Return the questions at these positions, in their order."""
        return (question for _, question in self.numbered(positions))

    def numbered(self, positions: range = range(2**62)) -> Iterator[tuple[int, Question]]:
        """Yield the questions at these positions in their order, each with its position."""
        statement = "SELECT position, body FROM questions WHERE position >= ? AND position < ? ORDER BY position"
        with reading(self.path):
            for position, body in self._database.execute(statement, (positions.start, positions.stop)):
                yield position, rows.question_of(body)

    # -- writing

    async def save(self, generation: Generation) -> None:
        """Write one generation; the generation is on disk when the call returns."""
        await self.write(rows.INSERT_GENERATION, rows.generation_row(generation))

    async def save_score(self, question: int, member: Member, note: str = "") -> None:
        """Write the answer and the score of a member."""
        await self.write(rows.INSERT_SCORE, rows.score_row(question, member, note))

    async def save_groups(self, question: int, groups: Sequence[Sequence[Member]]) -> None:
        """Write the groups of equal answers of a population: ``same`` of a member is the earliest of its group."""
        values = [(group[0].i, question, member.t, member.i) for group in groups for member in group]
        statement = "UPDATE scores SET same = ? WHERE question = ? AND t = ? AND i = ?"
        await asyncio.gather(*(self.write(statement, row) for row in values))

    async def save_weights(self, question: int, weights: Sequence[float] | None) -> None:
        """Write each last member's chance to be the answer: the question is done. None: it is not done any more."""
        row = (None if weights is None else json.dumps(list(weights)), question)
        await self.write("UPDATE questions SET weights = ? WHERE position = ?", row)

    async def write(self, statement: str, row: tuple[Any, ...]) -> None:
        """Run a statement, for a table of the caller's own too, with the next commit; on disk when this returns."""
        self._gathered.append((statement, row))
        if self._next_commit is None:
            self._next_commit = asyncio.ensure_future(self._commit_gathered(self._commit))
        # Shielded: who gives up waiting must not take the commit from the others.
        await asyncio.shield(self._next_commit)

    async def _commit_gathered(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        self._commit, self._next_commit = self._next_commit, None
        batch, self._gathered = self._gathered, []

        def execute() -> None:
            with self.transaction() as database:
                for statement, row in batch:
                    database.execute(statement, tuple(map(rows.storable, row)))

        await self.in_turn(execute)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit the changes of the ``with`` block together, or none; they are on disk at its end.

        Not while generations are being saved: then with `in_turn`.
        """
        if self._lock is not None:
            self._lock.check(self._database)
        with writing(self.path), transaction(self._database):
            yield self._database
            if self._session is not None:
                seconds = time.monotonic() - self._begun
                self._database.execute("UPDATE sessions SET seconds = ? WHERE id = ?", (seconds, self._session))
        if self._lock is not None:
            self._lock.remember()

    def copy_from(self, source: Record, where: str, values: Sequence[Any] = (), *, scores: bool = True) -> int:
        """Copy generations from a record with the same questions; return how many are new here.

        ``where`` is a condition on their columns, with ``values`` for its placeholders. What they scored comes along
        unless ``scores`` is false; what is here already stays.
        """
        statement = f"SELECT {rows.GENERATION_COLUMNS} FROM generations WHERE {where}"  # noqa: S608
        generations = source.query(statement, values)
        addresses = {(row[0], row[2], row[3]) for row in generations}
        found = source.query("SELECT question, t, i, answer, score, note FROM scores") if scores else []
        with self.transaction() as database:
            before = database.total_changes
            database.executemany(rows.INSERT_GENERATION.replace("REPLACE", "IGNORE"), generations)
            copied = database.total_changes - before
            scored = [row for row in found if row[:3] in addresses]
            database.executemany(rows.INSERT_SCORE.replace("REPLACE", "IGNORE"), scored)
        return copied

    # -- reading

    def members(self, question: int, role: str | None = CANDIDATE) -> dict[tuple[str, int, int], Member]:
        """Return all recorded members of a question, with scores, by (role, t, i); ``role=None`` for every role."""
        with reading(self.path):
            found = self._database.execute(rows.SELECT_MEMBERS, (question, role, role))
            return {(row[0], row[1], row[2]): rows.member_of(row) for row in found}

    async def load(self, question: int) -> dict[tuple[str, int, int], Member]:
        """Return `members` of every role, read off the event loop."""
        return await self.in_turn(self.members, question, None)

    def weights(self, question: int) -> list[float] | None:
        """Return the chance of each last member to be the answer, or None while the question is not done."""
        with reading(self.path):
            row = self._database.execute("SELECT weights FROM questions WHERE position = ?", (question,)).fetchone()
            return list(rows.numbers(row[0])) if row and row[0] else None

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a reading statement, for analyses that add up without loading texts."""
        with reading(self.path):
            return self._database.execute(statement, parameters).fetchall()

    @property
    def seconds(self) -> float:
        """Return the wall time of all sessions that wrote this record."""
        return float(self.query("SELECT coalesce(sum(seconds), 0.0) FROM sessions")[0][0])

    # -- life

    async def in_turn(self, work: Callable[[*Given], T], *given: *Given) -> T:
        """Run ``work`` in the thread that writes, so that nothing else is written at the time."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    async def drain(self) -> None:
        """Wait until everything handed over is on disk."""
        while self._gathered or (self._commit is not None and not self._commit.done()):
            await asyncio.wait([task for task in (self._commit, self._next_commit) if task is not None])

    def close(self) -> None:
        """Close the file and release it for other processes.

        Raises:
            UsageError: The record or its log was removed since it was written last.
        """
        self._thread.shutdown(wait=True)
        try:
            if self._lock is not None and not self._lock.lost:
                self._lock.check(self._database)
                # Back to one plain file, without the two beside it that write-ahead logging needs: fit to be copied,
                # and readers make none. Not while somebody reads it.
                with contextlib.suppress(sqlite3.OperationalError):
                    self._database.execute("PRAGMA journal_mode = DELETE")
        finally:
            self._database.close()
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with contextlib.suppress(UsageError) if kind else contextlib.nullcontext():  # the first trouble is the one told
            self.close()


class NullStore:
    """A record that keeps nothing, for requests whose answer is all that anybody wants: memory stays small."""

    async def save(self, generation: Generation) -> None: ...

    async def save_score(self, question: int, member: Member, note: str = "") -> None: ...

    async def save_groups(self, question: int, groups: Sequence[Sequence[Member]]) -> None: ...

    async def save_weights(self, question: int, weights: Sequence[float] | None) -> None: ...

    async def drain(self) -> None: ...

    async def load(self, question: int) -> dict[tuple[str, int, int], Member]:
        return {}

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return []


Store = Record | NullStore
