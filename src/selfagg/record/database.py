"""The SQLite file of a record: one writer holds it, and it is looked over before anything is read from it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from selfagg._internal.files import claim, kind_of
from selfagg.errors import UsageError
from selfagg.record.migrations import APPLICATION, RULES, SCHEMA, STEPS, VERSION, statements


class WriteLock:
    """A writer's hold on a record's file, whatever name the file goes by; ``lost`` once `check` has found it so.

    The lock lies on the file itself, not on its name: a second name (a hard link) or a removed file beside it does not
    let a second writer in.

    Raises:
        UsageError: Another process holds the file, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = False
        real = Path(os.path.realpath(path))
        self._log = real.with_name(f"{real.name}-wal")
        try:
            real.parent.mkdir(parents=True, exist_ok=True)
            if kind := kind_of(real):
                raise UsageError(f"record {path} is {kind}: name a file" + " in it" * (kind == "a folder"))
            self._descriptor = claim(real)
        except BlockingIOError:
            raise UsageError(f"record {path} is in use by another selfagg process") from None
        except OSError as error:
            raise UsageError(f"cannot write record {path}: {error.strerror or error}") from None
        self._watched = {real: (os.fstat(self._descriptor).st_ino, 0), self._log: (0, 0)}
        self.remember()

    def remember(self) -> None:
        """Remember which files there are and how long they are: they only ever grow while this process writes.

        What is known of a file that was removed or replaced stays, so that `check` finds it lost.
        """
        for file, (inode, size) in self._watched.items():
            now = _identity(file)
            if now[0] == inode or not inode:
                self._watched[file] = (now[0], max(now[1], size))

    def check(self, database: sqlite3.Connection) -> None:
        """Check that the files still have their names: SQLite goes on writing to files that were deleted.

        Raises:
            UsageError: The record or its log was removed, replaced or cut short.
        """
        for file, (inode, size) in self._watched.items():
            now = _identity(file)
            if not inode or (now[0] == inode and now[1] >= size):
                continue
            self.lost = True
            if file != self._log:
                raise UsageError(f"record {self.path} was deleted, moved or cut short while it was being written")
            if now[0] != inode:  # the log is still open here: what it holds can be saved
                with contextlib.suppress(sqlite3.Error):
                    database.execute("PRAGMA wal_checkpoint")
            raise UsageError(f"{self._log}, a part of the record, was removed or cut short while it was being written")

    def release(self) -> None:
        """Release the file for other processes."""
        os.close(self._descriptor)


def _identity(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_ino, found.st_size


def opened(path: Path | None, *, read_only: bool, trusted: bool = False) -> tuple[sqlite3.Connection, bool]:
    """Open a record's database in today's format, and tell whether it is a copy; the arguments are `Record`'s.

    A record of an older format is brought up to date; for reading alone, a temporary copy of it is.

    Raises:
        UsageError: The file is no record, of another format, or damaged.
    """
    where = ":memory:"
    if path is not None:
        where = f"{Path(os.path.realpath(path)).as_uri()}{'?mode=ro' if read_only else ''}"
    with reading(path):
        database = sqlite3.connect(where, uri=path is not None, check_same_thread=False, isolation_level=None)
        try:
            version = _version(database, path, read_only)
            copied = read_only and 0 < version < VERSION
            if version and not trusted:  # swapped or overwritten pages must not give doubled or missing rows later
                ((found,),) = database.execute("PRAGMA integrity_check(1)")
                if found != "ok":
                    raise UsageError(f"record {path} is damaged: {' '.join(found.split())}")
            if not read_only:  # and not before it is known to be a record: this is the first that writes to the file
                # FULL: a commit survives a power cut. Commits are shared by all generations that wait for one.
                for pragma in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = ON"):  # the last for macOS
                    database.execute(f"PRAGMA {pragma}")
            if copied:
                original = database
                # A file that SQLite removes by itself.
                database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
                with contextlib.closing(original):
                    original.backup(database)
            if version != VERSION:
                _bring_up_to_date(database, version)
            _check_layout(database, path)
            if not trusted:
                _check_rows(database, path, read_only=read_only)
        except BaseException:
            database.close()
            raise
    return database, copied


def _version(database: sqlite3.Connection, path: Path | None, read_only: bool) -> int:
    """Return the format of the database; 0 for a new file."""
    ((tables,),) = database.execute("SELECT count(*) FROM sqlite_master")
    ((application,),) = database.execute("PRAGMA application_id")
    ((version,),) = database.execute("PRAGMA user_version")
    if application != APPLICATION and (read_only or tables):
        raise UsageError(f"{path} is not a selfagg record")
    if not tables:
        return 0
    if not 1 <= version <= VERSION:
        raise UsageError(f"record {path} has format {version}; this selfagg reads formats 1 to {VERSION}")
    return int(version)


def _bring_up_to_date(database: sqlite3.Connection, version: int) -> None:
    with transaction(database):
        if version:
            for step in STEPS[version - 1 :]:
                step(database)
        else:
            for statement in (*statements(SCHEMA), f"PRAGMA application_id = {APPLICATION}"):
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {VERSION}")


def _check_layout(database: sqlite3.Connection, path: Path | None) -> None:
    """Check that the tables of selfagg are there; an index or a table that somebody has added may stay."""
    layout = "SELECT type, name, tbl_name, sql FROM sqlite_master"
    with contextlib.closing(sqlite3.connect(":memory:")) as plain:
        plain.executescript(SCHEMA)
        found, expected = set(database.execute(layout)), set(plain.execute(layout))
    if not expected <= found or any(kind in ("trigger", "view") for kind, *_ in found - expected):
        raise UsageError(f"record {path} is damaged: its tables are not those that selfagg makes")


def _check_rows(database: sqlite3.Connection, path: Path | None, *, read_only: bool) -> None:
    if read_only:  # then SQLite leaves the rules out of its integrity check
        for table, rule in RULES.items():
            if database.execute(f"SELECT 1 FROM {table} WHERE NOT ({rule}) LIMIT 1").fetchone():  # noqa: S608 - constants
                raise UsageError(f"record {path} is damaged: its {table} hold what no selfagg wrote")
    for table in ("generations", "scores"):
        astray = database.execute(f"SELECT question FROM {table} EXCEPT SELECT position FROM questions LIMIT 1")  # noqa: S608
        for (question,) in astray:
            raise UsageError(f"record {path} is damaged: its {table} name question {question}, which it does not hold")


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Commit the changes of the ``with`` block together, or none of them."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def writing(path: Path | None) -> Iterator[None]:
    """Raise UsageError with one clear sentence in place of an error of SQLite."""
    try:
        yield
    except sqlite3.Error as error:
        # No code: Python's own error, of bytes that are no UTF-8 where text should be.
        code = getattr(error, "sqlite_errorcode", None)
        said = _NO_TEXT if code is None else _SAID.get(code & 0xFF, "record {path}: {error}")
        raise UsageError(said.format(path=path, error=error)) from None


@contextlib.contextmanager
def reading(path: Path | None) -> Iterator[None]:
    """Raise UsageError with one clear sentence in place of an error of SQLite or of a parser."""
    try:
        with writing(path):
            yield
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise UsageError(_FOREIGN.format(path=path, error=error)) from None


_FOREIGN = "record {path} is damaged: it holds what no selfagg wrote ({error})"
_NO_TEXT = "record {path} is damaged: it holds text that is none"
_IN_USE = "record {path} is in use by another program"
_SAID = {
    sqlite3.SQLITE_NOTADB: "{path} is not a selfagg record, or a damaged one ({error})",
    **dict.fromkeys((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT), "record {path} is damaged ({error})"),
    **dict.fromkeys((sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_ERROR), _FOREIGN),
    sqlite3.SQLITE_FULL: "cannot write record {path}: the disk is full; what was finished before is kept",
    **dict.fromkeys((sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM), "cannot write record {path}: {error}"),
    sqlite3.SQLITE_CANTOPEN: "cannot open record {path}: {error}",
    sqlite3.SQLITE_IOERR: "cannot read or write record {path}: {error}",
    **dict.fromkeys((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), _IN_USE),
}
