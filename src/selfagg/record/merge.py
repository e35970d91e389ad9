"""Merge several records of the same run into one: each generation is there once, even if several hold it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selfagg.record.record import Record
from selfagg.record.rows import CANDIDATE, GENERATION_COLUMNS, INSERT_GENERATION, places, usage_of
from selfagg.types import Member, Reply

Address = tuple[str, int, int]
"""Role, population and place of a generation."""

Row = tuple[Any, ...]

_COLUMNS = GENERATION_COLUMNS.split(", ")
_SCORE_COLUMNS = "t, i, answer, score, note, same"
_KEY = "question = ? AND role = ? AND t = ? AND i = ?"


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a record that concerns one question: all of it, or the rows after some moment.

    Attributes:
        position: The question's place in the run.
        id: Its id, and
        body: the question as the record keeps it; both ``""`` where the reader has them already.
        generations: Rows of generations.
        scores: Rows of scores.
        weights: As the record keeps them; None while the question is not done.
    """

    position: int
    id: str
    body: str
    generations: tuple[Row, ...] = ()
    scores: tuple[Row, ...] = ()
    weights: str | None = None

    def members(self) -> Iterable[tuple[str, Member]]:
        """Yield role and member of each generation, without texts: for those who count members."""
        for row in self.generations:
            yield _counted(dict(zip(_COLUMNS, row, strict=True)))

    def scored(self) -> Iterable[Member]:
        """Yield the members with their answers and scores, and nothing else."""
        for t, i, answer, score, *_ in self.scores:
            yield Member(t, i, answer=answer, score=score)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position up to which a reader has read a record, as row numbers."""

    generations: int = 0
    scores: int = 0


def part_of(record: Record, position: int) -> Part:
    """Return all that a record holds of a question."""
    ((name, body, weights),) = record.query("SELECT id, body, weights FROM questions WHERE position = ?", (position,))
    generations = record.query(
        f"SELECT {GENERATION_COLUMNS} FROM generations WHERE question = ?",  # noqa: S608 - constants only
        (position,),
    )
    scores = record.query(f"SELECT {_SCORE_COLUMNS} FROM scores WHERE question = ?", (position,))  # noqa: S608
    return Part(position, name, body, tuple(generations), tuple(scores), weights)


def news_of(record: Record, position: int, since: Cursor) -> tuple[Part, Cursor]:
    """Return the rows that a record got of a question since it was read last, and the new cursor."""
    generations, scores = (
        record.query(
            f"SELECT rowid, {columns} FROM {table} WHERE question = ? AND rowid > ? ORDER BY rowid",  # noqa: S608
            (position, after),
        )
        for table, columns, after in (
            ("generations", GENERATION_COLUMNS, since.generations),
            ("scores", _SCORE_COLUMNS, since.scores),
        )
    )
    read = Cursor(generations[-1][0] if generations else since.generations, scores[-1][0] if scores else since.scores)
    return Part(position, "", "", tuple(row[1:] for row in generations), tuple(row[1:] for row in scores)), read


def merge(target: Record, part: Part) -> Part:
    """Add the rows that ``target`` lacks; change nothing that it holds, except failed calls that were made good.

    A generation is only taken where its parents read the same in ``target``: where two machines have sampled the same
    member, one of the two counts, and whatever was made from the other one is left out.

    Returns:
        What was new. Its weights are set if the question became done by it.
    """
    with target.transaction() as database:
        if part.body:
            row = (part.position, part.id, part.body)
            database.execute("INSERT OR IGNORE INTO questions (position, id, body) VALUES (?, ?, ?)", row)
        state = _State(database, part.position)
        generations = [row for row in sorted(part.generations, key=_ancestors_first) if state.take(row)]
        scores = [row for row in part.scores if state.holds(CANDIDATE, row[0], row[1])]
        new = [row for row in scores if _insert_score(database, part.position, row)]
        weights = part.weights if state.is_whole(part) and _finish(database, part) else None
    return Part(part.position, part.id, part.body, tuple(generations), tuple(new), weights)


def merge_records(target: Record, sources: Sequence[Record]) -> int:
    """Add to a record all that other records of the same run hold; return how many generations were new.

    Raises:
        UsageError: One of them is of another run; says what differs.
    """
    for source in sources:
        target.begin(source.configuration, list(source.questions()), source.about)
    places = range(target.query("SELECT count(*) FROM questions")[0][0])
    return sum(len(merge(target, part_of(source, place)).generations) for source in sources for place in places)


def put(target: Record, part: Part) -> None:
    """Make ``target`` hold of a question what ``part`` does, and nothing else."""
    forget(target, part.position)
    merge(target, part)


def forget(target: Record, position: int) -> None:
    """Remove a question and all that is recorded of it."""
    with target.transaction() as database:
        for table, column in (("generations", "question"), ("scores", "question"), ("questions", "position")):
            database.execute(f"DELETE FROM {table} WHERE {column} = ?", (position,))  # noqa: S608 - constants


@dataclass(slots=True)
class _State:
    """The rows that the target holds of a question, and their agreement with the rows of the part."""

    database: sqlite3.Connection
    position: int
    held: dict[Address, bool] = field(init=False)
    agrees: dict[Address, bool] = field(default_factory=dict)
    equal: bool = True

    def __post_init__(self) -> None:
        statement = "SELECT role, t, i, error IS NULL FROM generations WHERE question = ?"
        self.held = {row[:3]: bool(row[3]) for row in self.database.execute(statement, (self.position,))}

    def take(self, row: Row) -> bool:
        """Take a generation if it is new and its parents read the same here; return True if it was taken."""
        made = dict(zip(_COLUMNS, row, strict=True))
        address: Address = made["role"], made["t"], made["i"]
        replied = made["error"] is None
        if address in self.held and (self.held[address] or not replied):
            same = self.held[address] == replied and self._reads_the_same(address, made)
            self.agrees[address] = same or not replied  # what failed is shown to nobody
            self.equal &= same
            return False
        fits = all(self.agrees.get(parent, parent in self.held) for parent in _parents(made))
        self.agrees[address] = fits
        self.equal &= fits
        if fits:
            if address in self.held:
                self._remove(address)
            self.database.execute(INSERT_GENERATION, row)
            self.held[address] = replied
        return fits

    def holds(self, *address: Any) -> bool:
        """Return True if the part's row at this address is true of the target's generation."""
        return self.agrees.get(address, address in self.held) and address in self.held

    def is_whole(self, part: Part) -> bool:
        """Return True if the part is done and the target holds just the rows of the part."""
        return part.weights is not None and self.equal and self.held.keys() == self.agrees.keys()

    def _reads_the_same(self, address: Address, made: Mapping[str, Any]) -> bool:
        statement = f"SELECT text, reasoning FROM generations WHERE {_KEY}"  # noqa: S608 - constants only
        own = self.database.execute(statement, (self.position, *address)).fetchone()
        return bool(own == (made["text"], made["reasoning"]))

    def _remove(self, address: Address) -> None:
        role, t, i = address
        self.database.execute(f"DELETE FROM generations WHERE {_KEY}", (self.position, *address))  # noqa: S608
        if role == CANDIDATE:
            self.database.execute("DELETE FROM scores WHERE question = ? AND t = ? AND i = ?", (self.position, t, i))


def _ancestors_first(row: Row) -> tuple[int, bool]:
    return row[_COLUMNS.index("t")], row[_COLUMNS.index("role")] != CANDIDATE


def _parents(made: Mapping[str, Any]) -> list[Address]:
    """Return the parents: of a member, in the population before; of a verdict on a member, in that member's own."""
    t = made["t"] - 1 if made["role"] == CANDIDATE else made["t"]
    return [(CANDIDATE, t, i) for i in places(made["parents"])]


def _insert_score(database: sqlite3.Connection, position: int, row: Row) -> bool:
    inserted = database.execute(
        # What could not be scored there may have been scored here since.
        f"INSERT INTO scores (question, {_SCORE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
        "ON CONFLICT (question, t, i) DO UPDATE SET answer = excluded.answer, score = excluded.score, "
        "note = excluded.note WHERE score IS NULL AND excluded.score IS NOT NULL",
        (position, *row),
    )
    return inserted.rowcount > 0


def _finish(database: sqlite3.Connection, part: Part) -> bool:
    """Write groups and weights of a question that is done; return True if the question was not done before."""
    database.executemany(
        "UPDATE scores SET same = ? WHERE question = ? AND t = ? AND i = ?",
        [(same, part.position, t, i) for t, i, *_, same in part.scores],
    )
    changed = database.execute(
        "UPDATE questions SET weights = ? WHERE position = ? AND weights IS NULL", (part.weights, part.position)
    )
    return changed.rowcount > 0


def _counted(made: Mapping[str, Any]) -> tuple[str, Member]:
    usage = usage_of([made[f"{kind}_tokens"] for kind in ("prompt", "cached", "completion", "reasoning")])
    reply = None if made["error"] is not None else Reply("", usage=usage, tries=made["tries"], seconds=made["seconds"])
    return made["role"], Member(made["t"], made["i"], reply=reply, error=made["error"])
