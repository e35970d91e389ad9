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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from filelock import FileLock, Timeout

from selfagg.engine.configuration import as_meant
from selfagg.engine.differences import differences
from selfagg.engine.rows import (
    APPLICATION,
    CANDIDATE,
    GENERATION_COLUMNS,
    INSERT_GENERATION,
    INSERT_QUESTION,
    INSERT_SCORE,
    SCHEMA,
    SELECT_MEMBERS,
    VERSION,
    Generation,
    generation_row,
    member_of,
    question_body,
    question_of,
)
from selfagg.errors import UsageError
from selfagg.files import lock
from selfagg.types import Member, Question

__all__ = ["CANDIDATE", "Generation", "InUse", "Record"]

T = TypeVar("T")


class InUse(UsageError):
    """Another process writes this record."""


class Record:
    """A run's record, open for writing by one process at a time.

    Args:
        path: The file; None keeps the record in memory.

    Raises:
        UsageError: The file is no record, another process writes it, or it cannot be written.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self.path = path
        self._lock: FileLock | None = None
        if path is not None and read_only and not path.is_file():
            raise UsageError(f"there is no record {path}")
        if path is not None and path.is_dir():
            raise UsageError(f"record {path} is a folder: name a file in it")
        if path is not None and not read_only:
            self._lock = self._locked(path)
        try:
            self._database = self._open(path, read_only)
        except BaseException:
            self._release()
            raise
        self._inode = path.stat().st_ino if path is not None else 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="selfagg-record")
        self._gathered: list[tuple[str, tuple[Any, ...]]] = []
        self._next_commit: asyncio.Task[None] | None = None
        self._commit: asyncio.Task[None] | None = None
        self._session: int | None = None
        self._asked = 0
        self._begun = time.monotonic()

    @staticmethod
    def _locked(path: Path) -> FileLock:
        try:
            return lock(path)
        except Timeout:
            raise InUse(f"record {path} is in use by another selfagg process") from None
        except OSError as error:
            raise UsageError(f"cannot write record {path}: {error.strerror or error}") from None

    @staticmethod
    def _open(path: Path | None, read_only: bool) -> sqlite3.Connection:
        where = ":memory:" if path is None else f"{path.resolve().as_uri()}{'?mode=ro' if read_only else ''}"
        try:
            database = sqlite3.connect(where, uri=path is not None, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise _said_plainly(path, error) from None
        try:
            empty = not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            application = database.execute("PRAGMA application_id").fetchone()[0]
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if application != APPLICATION and (read_only or not empty):
                raise UsageError(f"{path} is not a selfagg record")
            if version != VERSION and not empty:
                raise UsageError(f"record {path} has format {version}; this selfagg reads and writes format {VERSION}")
            if not read_only:  # and not before it is known to be a record: this is the first that writes to the file
                # FULL: a commit survives a power cut. Commits are shared by all generations that wait for one.
                for pragma in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = ON"):  # the last for macOS
                    database.execute(f"PRAGMA {pragma}")
            if empty and not read_only:
                database.executescript(
                    f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
                )
        except BaseException as error:
            database.close()
            if isinstance(error, sqlite3.Error | UnicodeDecodeError):  # the one may quote what is no text
                raise _said_plainly(path, error) from None
            raise
        return database

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Says of a record whose file was damaged that it is."""
        try:
            yield
        except sqlite3.Error as error:
            raise _said_plainly(self.path, error) from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(f"record {self.path} is damaged: it holds what no selfagg wrote ({error})") from None

    def _check_there(self) -> None:
        """SQLite goes on writing to a file that has no name any more."""
        with contextlib.suppress(OSError):
            if self.path is None or self.path.stat().st_ino == self._inode:
                return
        raise UsageError(f"record {self.path} was deleted or moved while it was being written")

    # -- the run

    @property
    def configuration(self) -> dict[str, Any]:
        """What the run was started with; ``{}`` in a new record."""
        return as_meant(self._value("configuration"))

    @property
    def about(self) -> dict[str, Any]:
        """Versions and circumstances: told, not compared."""
        return self._value("about")

    def _value(self, key: str) -> dict[str, Any]:
        with self._reading():
            row = self._database.execute("SELECT value FROM run WHERE key = ?", (key,)).fetchone()
            value: dict[str, Any] = dict(json.loads(row[0])) if row else {}
            return value

    def begin(
        self,
        configuration: Mapping[str, Any],
        questions: Sequence[Question],
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Starts a new run in an empty record, or goes on with the one that is there.

        Raises:
            UsageError: The record holds a run with another configuration or other questions; names what differs.
        """
        if recorded := self.configuration:
            asked = json.loads(json.dumps(configuration))
            if found := differences(recorded, asked, "in the record"):
                raise UsageError(f"record {self.path} holds another run: {'; '.join(found)}")
            if differing := self._differing_question(questions):
                raise UsageError(f"record {self.path} holds another run: {differing}")
        try:
            self._database.execute("BEGIN IMMEDIATE")
            if not recorded:
                rows = [("configuration", json.dumps(configuration)), ("about", json.dumps(about or {}))]
                self._database.executemany("INSERT INTO run VALUES (?, ?)", rows)
                self._insert_questions(0, questions)
            self._session = self._database.execute(
                "INSERT INTO sessions (started, seconds) VALUES (?, 0)", (time.time(),)
            ).lastrowid
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon()
            raise _said_plainly(self.path, error) from None
        self._begun = time.monotonic()
        self._asked = len(questions)

    def _differing_question(self, questions: Sequence[Question]) -> str:
        recorded = dict(self._database.execute("SELECT position, body FROM questions"))
        if len(recorded) != len(questions):
            return f"questions: {len(recorded)} in the record, {len(questions)} asked for"
        for position, question in enumerate(questions):
            if recorded[position] != question_body(question):
                return f"question {position + 1} ({question.id}) reads otherwise in the record"
        return ""

    def _insert_questions(self, start: int, questions: Iterable[Question]) -> None:
        rows = ((start + n, question.id, question_body(question)) for n, question in enumerate(questions))
        self._database.executemany(INSERT_QUESTION, rows)

    async def add(self, question: Question) -> int:
        """Adds a question to a run that takes them as they come (a server's); returns its position.

        The question must have an id that no other one of this record has.
        """
        position, self._asked = self._asked, self._asked + 1
        await self._write(INSERT_QUESTION, (position, question.id, question_body(question)))
        return position

    def questions(self, positions: range = range(2**62)) -> Iterator[Question]:
        """The questions in their order; those at these positions, which follow one another."""
        statement = "SELECT body FROM questions WHERE position >= ? AND position < ? ORDER BY position"
        with self._reading():
            for (body,) in self._database.execute(statement, (positions.start, positions.stop)):
                yield question_of(body)

    # -- writing

    async def save(self, generation: Generation) -> None:
        """Writes one generation; on disk when this returns."""
        await self._write(INSERT_GENERATION, generation_row(generation))

    async def save_score(self, question: int, member: Member, note: str = "") -> None:
        """Writes what a member's answer is and what it is worth."""
        row = (question, member.t, member.i, member.answer, member.score, note)
        await self._write(INSERT_SCORE, row)

    async def save_groups(self, question: int, groups: Sequence[Sequence[Member]]) -> None:
        """Writes which members of a population have equal answers: each one's ``same`` is the earliest of its group."""
        rows = [(group[0].i, question, member.t, member.i) for group in groups for member in group]
        statement = "UPDATE scores SET same = ? WHERE question = ? AND t = ? AND i = ?"
        await asyncio.gather(*(self._write(statement, row) for row in rows))

    async def save_weights(self, question: int, weights: Sequence[float] | None) -> None:
        """Write each last member's chance to be the answer: the question is done. None: it is not done any more."""
        row = (None if weights is None else json.dumps(list(weights)), question)
        await self._write("UPDATE questions SET weights = ? WHERE position = ?", row)

    async def _write(self, statement: str, row: tuple[Any, ...]) -> None:
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
        await self.in_turn(lambda: self._execute(batch))

    def _execute(self, batch: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        with self.transaction() as database:
            for statement, row in batch:
                database.execute(statement, row)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Changes that are made together or not at all; on disk at the end of the ``with`` block.

        Not while generations are being saved: then with `in_turn`.
        """
        self._check_there()
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database
            if self._session is not None:
                seconds = time.monotonic() - self._begun
                self._database.execute("UPDATE sessions SET seconds = ? WHERE id = ?", (seconds, self._session))
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon()
            raise _said_plainly(self.path, error) from None
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    def copy_from(self, source: Record, where: str, values: Sequence[Any] = (), *, scores: bool = True) -> int:
        """Copies generations from a record with the same questions; keeps what is here already.

        Args:
            source: The other record.
            where: Which generations: a condition on their columns.
            values: Values for the condition's placeholders.
            scores: Whether what they scored comes along.

        Returns:
            How many generations are new here.
        """
        generations = source.query(f"SELECT {GENERATION_COLUMNS} FROM generations WHERE {where}", values)  # noqa: S608
        addresses = {(row[0], row[2], row[3]) for row in generations}
        found = source.query("SELECT question, t, i, answer, score, note FROM scores") if scores else []
        with self.transaction() as database:
            before = database.total_changes
            database.executemany(INSERT_GENERATION.replace("REPLACE", "IGNORE"), generations)
            copied = database.total_changes - before
            database.executemany(
                INSERT_SCORE.replace("REPLACE", "IGNORE"), [row for row in found if row[:3] in addresses]
            )
        return copied

    # -- reading

    def members(self, question: int, role: str | None = CANDIDATE) -> dict[tuple[str, int, int], Member]:
        """All that is recorded of a question, with scores, by (role, t, i); ``role=None`` for every role."""
        with self._reading():
            rows = self._database.execute(SELECT_MEMBERS, (question, role, role))
            return {(row[0], row[1], row[2]): member_of(row) for row in rows}

    async def load(self, question: int) -> dict[tuple[str, int, int], Member]:
        """`members` of every role, read off the event loop."""
        return await self.in_turn(lambda: self.members(question, role=None))

    def weights(self, question: int) -> list[float] | None:
        """The chance of each last member to be the answer, or None while the question is not done."""
        with self._reading():
            row = self._database.execute("SELECT weights FROM questions WHERE position = ?", (question,)).fetchone()
            return list(map(float, json.loads(row[0]))) if row and row[0] else None

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of any reading statement, for analyses that add up without loading texts."""
        with self._reading():
            return self._database.execute(statement, parameters).fetchall()

    @property
    def seconds(self) -> float:
        """Wall time of all sessions that wrote this record."""
        ((seconds,),) = self.query("SELECT coalesce(sum(seconds), 0.0) FROM sessions")
        return float(seconds)

    # -- life

    async def in_turn(self, work: Callable[[], T]) -> T:
        """Runs something in the thread that writes, so that nothing else is written at the time."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def drain(self) -> None:
        """Waits until all that was handed over is on disk."""
        while self._gathered or (self._commit is not None and not self._commit.done()):
            pending = [task for task in (self._commit, self._next_commit) if task is not None]
            await asyncio.wait(pending)

    def close(self) -> None:
        """Closes the file and lets other processes have it."""
        self._thread.shutdown(wait=True)
        if self._lock is not None:
            # Back to one plain file, without the two beside it that write-ahead logging needs: fit to be copied, and
            # readers make none. Not while somebody reads it.
            with contextlib.suppress(sqlite3.OperationalError):
                self._database.execute("PRAGMA journal_mode = DELETE")
        self._database.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _said_plainly(path: Path | None, error: Exception) -> UsageError:
    said = str(error)
    if "not a database" in said or "malformed" in said:
        return UsageError(f"{path} is not a selfagg record, or a damaged one ({said})")
    if "decode" in said:
        return UsageError(f"record {path} is damaged: it holds text that is none")
    if "full" in said:
        return UsageError(f"cannot write record {path}: the disk is full; what was finished before is kept")
    if "readonly" in said or "read-only" in said or "unable to open" in said:
        return UsageError(f"cannot write record {path}: {said}")
    return UsageError(f"record {path}: {said}")
