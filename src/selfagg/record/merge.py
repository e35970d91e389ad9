"""Merge several records of the same run into one: each generation is there once, even if several hold it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from selfagg.record.record import Record
from selfagg.record.rows import CANDIDATE, GENERATION_COLUMNS, INSERT_GENERATION, places, usage_of
from selfagg.types import Member, Reply

Row = tuple[Any, ...]
Address = tuple[str, int, int]
"""Role, population and place of a generation."""

_COLUMNS = GENERATION_COLUMNS.split(", ")
_SCORE_COLUMNS = "t, i, answer, score, note, same"


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a record that concerns one question, as the record keeps it: all of it, or rows after some moment."""

    position: int
    id: str  # "" where the reader has it already, as the body
    body: str
    generations: tuple[Row, ...] = ()
    scores: tuple[Row, ...] = ()
    weights: str | None = None  # None while the question is not done

    def members(self) -> Iterable[tuple[str, Member]]:
        """Yield role and member of each generation, without texts: for those who count members."""
        for row in self.generations:
            made = dict(zip(_COLUMNS, row, strict=True))
            usage = usage_of([made[f"{kind}_tokens"] for kind in ("prompt", "cached", "completion", "reasoning")])
            reply = Reply("", usage=usage, tries=made["tries"], seconds=made["seconds"])
            error = made["error"]
            yield made["role"], Member(made["t"], made["i"], reply=reply if error is None else None, error=error)

    def scored(self) -> Iterable[Member]:
        """Yield the members with their answers and scores, and nothing else."""
        for t, i, answer, score, *_ in self.scores:
            yield Member(t, i, answer=answer, score=score)


class Cursor(NamedTuple):
    """The position up to which a reader has read a record, as row numbers."""

    generations: int = 0
    scores: int = 0


def part_of(record: Record, position: int) -> Part:
    """Return all that a record holds of a question."""
    ((name, body, weights),) = record.query("SELECT id, body, weights FROM questions WHERE position = ?", (position,))
    rows, _ = news_of(record, position, Cursor())
    return replace(rows, id=name, body=body, weights=weights)


def news_of(record: Record, position: int, since: Cursor) -> tuple[Part, Cursor]:
    """Return the rows that a record got of a question since it was read last, and the new cursor."""

    def rows(table: str, columns: str, after: int) -> tuple[tuple[Row, ...], int]:
        found = record.query(
            f"SELECT rowid, {columns} FROM {table} WHERE question = ? AND rowid > ? ORDER BY rowid",  # noqa: S608
            (position, after),
        )
        return tuple(row[1:] for row in found), found[-1][0] if found else after

    generations, last_generation = rows("generations", GENERATION_COLUMNS, since.generations)
    scores, last_score = rows("scores", _SCORE_COLUMNS, since.scores)
    return Part(position, "", "", generations, scores), Cursor(last_generation, last_score)


def merge(target: Record, part: Part) -> Part:
    """Add the rows that ``target`` lacks; change nothing that it holds, except failed calls that were made good.

    A generation is only taken where its parents read the same in ``target``: where two machines have sampled the same
    member, one of the two counts, and whatever was made from the other one is left out.

    Returns:
        What was new. Its weights are set if the question became done by it.
    """
    position = part.position
    with target.transaction() as database:
        if part.body:
            row = (position, part.id, part.body)
            database.execute("INSERT OR IGNORE INTO questions (position, id, body) VALUES (?, ?, ?)", row)
        held_rows = database.execute(
            "SELECT role, t, i, error IS NULL, text, reasoning FROM generations WHERE question = ?", (position,)
        )
        held: dict[Address, Row] = {held_row[:3]: held_row[3:] for held_row in held_rows}
        agrees: dict[Address, bool] = {}  # whether the target has what the part has at an address
        equal, generations = True, list[Row]()
        for made in sorted((dict(zip(_COLUMNS, row, strict=True)) for row in part.generations), key=_ancestors_first):
            address: Address = made["role"], made["t"], made["i"]
            replied = made["error"] is None
            if address in held and (held[address][0] or not replied):
                same = held[address] == (replied, made["text"], made["reasoning"])
                agrees[address] = same or not replied  # what failed is shown to nobody
            else:
                same = agrees[address] = all(agrees.get(parent, parent in held) for parent in _parents(made))
                if same:
                    if address in held and address[0] == CANDIDATE:  # it failed here, and was scored as such
                        gone = (position, *address[1:])
                        database.execute("DELETE FROM scores WHERE question = ? AND t = ? AND i = ?", gone)
                    database.execute(INSERT_GENERATION, tuple(made.values()))
                    held[address] = replied, made["text"], made["reasoning"]
                    generations.append(tuple(made.values()))
            equal &= same
        scores: list[Row] = []
        for t, i, *rest in part.scores:
            if (CANDIDATE, t, i) in held and agrees.get((CANDIDATE, t, i), True):
                inserted = database.execute(
                    # What could not be scored there may have been scored here since.
                    f"INSERT INTO scores (question, {_SCORE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
                    "ON CONFLICT (question, t, i) DO UPDATE SET answer = excluded.answer, score = excluded.score, "
                    "note = excluded.note WHERE score IS NULL AND excluded.score IS NOT NULL",
                    (position, t, i, *rest),
                )
                scores += [(t, i, *rest)] if inserted.rowcount > 0 else []
        weights = None
        if part.weights is not None and equal and held.keys() == agrees.keys():  # it is done, and just as here
            database.executemany(
                "UPDATE scores SET same = ? WHERE question = ? AND t = ? AND i = ?",
                [(same, position, t, i) for t, i, *_, same in part.scores],
            )
            finished = "UPDATE questions SET weights = ? WHERE position = ? AND weights IS NULL"
            weights = part.weights if database.execute(finished, (part.weights, position)).rowcount > 0 else None
    return Part(position, part.id, part.body, tuple(generations), tuple(scores), weights)


def _ancestors_first(made: dict[str, Any]) -> tuple[int, bool]:
    return made["t"], made["role"] != CANDIDATE


def _parents(made: dict[str, Any]) -> list[Address]:
    """Return the parents: of a member, in the population before; of a verdict on a member, in that member's own."""
    t = made["t"] - 1 if made["role"] == CANDIDATE else made["t"]
    return [(CANDIDATE, t, i) for i in places(made["parents"])]


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
