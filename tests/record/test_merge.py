"""Parts of runs merged into one record: each generation once, and nothing whose parents read otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.errors import UsageError
from selfagg.methods import RSA, Method, Rejection
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.merge import Cursor, Part, forget, merge, merge_records, news_of, part_of, put
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate, finished_questions
from selfagg.types import Question, Reply, Request

QUESTIONS = [Question(f"q{i}", f"Simulated question {i}?", "text", gold=f"right {i}") for i in range(2)]
METHOD = RSA(n=4, k=2, t=3)
ADDRESSES = [(t, i) for t in (1, 2, 3) for i in range(4)]
WHOLE: dict[str, Part] = {}


class Unrepeatable(SimulatedModel):
    """Writes another text for the same member whenever its mood is another, as a batching server does."""

    def __init__(self, mood: str, fail: float = 0.0) -> None:
        super().__init__(Simulation(fail=fail))
        self.mood = mood

    async def sample(self, request: Request) -> Reply:
        reply = await super().sample(request)
        told = " ".join(parent.text.split()[0] for parent in request.parents)
        return Reply(f"{self.mood} ({told}) {reply.text}", usage=reply.usage)


def begun(path: Path | None = None, method: Method = METHOD) -> Record:
    record = Record(path)
    record.begin(configuration(method, "simulated:", Settings(), "test"), QUESTIONS)
    return record


async def whole(mood: str = "calm", method: Method = METHOD, fail: float = 0.0) -> Record:
    record = begun(method=method)
    await evaluate(Engine(Unrepeatable(mood, fail), Settings(), record), method, QUESTIONS)
    return record


def content(record: Record) -> list[Any]:
    columns = "question, role, t, i, parents, prompt, seed, text, error, completion_tokens"
    return [
        record.query(f"SELECT {columns} FROM generations ORDER BY question, t, i, role"),
        record.query("SELECT question, t, i, answer, score, same FROM scores ORDER BY question, t, i"),
        record.query("SELECT id, body, weights FROM questions ORDER BY position"),
    ]


def some(part: Part, kept: Collection[tuple[int, int]]) -> Part:
    """As much of a part as a worker would have had: with each member its ancestors."""
    rows = {(row[2], row[3]): row for row in part.generations}
    found: dict[tuple[int, int], Any] = {}

    def keep(address: tuple[int, int]) -> None:
        found[address] = rows[address]
        for parent in json.loads(rows[address][4]):
            keep((address[0] - 1, parent))

    for address in kept:
        keep(address)
    scores = tuple(row for row in part.scores if (row[0], row[1]) in found)
    return Part(part.position, part.id, part.body, tuple(found.values()), scores)


def ancestry_holds(record: Record) -> bool:
    """Whether every member was made from just the parents that the record holds: each text names its parents' moods."""
    rows = record.query("SELECT question, t, i, parents, text FROM generations WHERE error IS NULL")
    moods = {row[:3]: row[4].split()[0] for row in rows}
    for question, t, _, parents, text in rows:
        told = text[text.index("(") + 1 : text.index(")")].split()
        if told != [moods[question, t - 1, parent] for parent in json.loads(parents)]:
            return False
    return True


async def test_parts_of_one_run_give_that_run_whatever_comes_first_and_twice() -> None:
    for method in (METHOD, Rejection(n=3)):
        with await whole(method=method) as source, begun(method=method) as target:
            for position in (1, 0, 1):
                merge(target, part_of(source, position))
            assert content(target) == content(source)
            assert merge(target, part_of(source, 0)).generations == ()


@given(data=st.data())
async def test_what_two_machines_sampled_apart_is_never_mixed(data: st.DataObject) -> None:
    with begun() as target:
        sizes = []
        for mood in ("calm", "cross", "calm"):
            if mood not in WHOLE:
                with await whole(mood) as source:
                    WHOLE[mood] = part_of(source, 0)
            part = some(WHOLE[mood], data.draw(st.sets(st.sampled_from(ADDRESSES))))
            merge(target, part)
            assert merge(target, part).generations == ()
            sizes.append(target.query("SELECT count(*) FROM generations")[0][0])
        assert ancestry_holds(target)
        assert sizes == sorted(sizes)
        # what is missing is computed from what is there, and nothing else is asked for
        before = target.query("SELECT * FROM generations")
        await evaluate(Engine(Unrepeatable("late"), Settings(), target), METHOD, QUESTIONS)
        assert set(before) <= set(target.query("SELECT * FROM generations"))
        assert ancestry_holds(target)
        assert finished_questions(target) == {0, 1}


async def test_a_failed_call_is_made_good_and_never_the_other_way_round() -> None:
    with await whole(fail=0.8) as failing, await whole() as working, begun() as target:
        merge(target, part_of(failing, 0))
        ((failed,),) = target.query("SELECT count(*) FROM generations WHERE error IS NOT NULL AND t = 1")
        assert failed
        first = [(1, i) for i in range(4)]
        merge(target, some(part_of(working, 0), first))
        assert target.query("SELECT count(*) FROM generations WHERE error IS NOT NULL AND t = 1") == [(0,)]
        assert target.query("SELECT weights FROM questions WHERE position = 0") == [(None,)]
        ((stale,),) = target.query("SELECT count(*) FROM scores WHERE t = 1 AND answer IS NULL")
        assert stale == 0
        held = target.query("SELECT * FROM generations")
        merge(target, part_of(failing, 0))
        assert target.query("SELECT * FROM generations") == held


async def test_news_are_what_came_since() -> None:
    with await whole() as source, begun() as target:
        for position in (0, 1):
            part, read = news_of(source, position, Cursor())
            assert news_of(source, position, read) == (replace(part, generations=(), scores=()), read)
            new = merge(target, part)
            assert len(new.generations) == len(list(new.members())) == 12
            assert len(list(new.scored())) == 12
        assert content(target)[0] == content(source)[0]
        assert finished_questions(target) == set()
        for position in (0, 1):
            assert merge(target, part_of(source, position)).weights is not None
        assert content(target) == content(source)


async def test_put_leaves_nothing_else() -> None:
    with await whole("calm") as calm, await whole("cross") as cross:
        put(calm, part_of(cross, 0))
        assert part_of(calm, 0) == part_of(cross, 0)
        assert part_of(calm, 1) != part_of(cross, 1)


async def test_a_merge_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with await whole() as source, begun(tmp_path / "run.sqlite") as target:
        part = part_of(source, 0)
        broken = Part(0, part.id, part.body, (*part.generations[:-1], part.generations[-1][:-1]), part.scores)
        attempt: Callable[[], Part] = lambda: merge(target, broken)  # noqa: E731
        try:
            attempt()
        except ValueError:
            pass
        else:
            raise AssertionError("a row without its last column was taken")
        assert target.query("SELECT count(*) FROM generations") == [(0,)]
        merge(target, part)
        assert part_of(target, 0) == part


async def test_records_are_merged_question_by_question_and_what_was_new_is_counted() -> None:
    full = await whole()
    firsts, rest = begun(), begun()
    merge(firsts, part_of(full, 0))
    merge(rest, part_of(full, 1))
    with begun() as target:
        assert merge_records(target, [firsts, rest]) == 2 * METHOD.calls
        assert content(target) == content(full)
        assert merge_records(target, [full, rest]) == 0
    for record in (full, firsts, rest):
        record.close()


async def test_a_record_of_another_run_is_refused_before_anything_is_taken() -> None:
    other = await whole(method=RSA(n=4, k=3, t=3))
    with begun() as target:
        with pytest.raises(UsageError, match=r"another run: method\.k is 2 in the record, 3 asked for"):
            merge_records(target, [other])
        assert target.query("SELECT count(*) FROM generations") == [(0,)]
    other.close()


async def test_a_question_that_is_forgotten_leaves_no_row_and_the_others_whole() -> None:
    with await whole() as record:
        kept = part_of(record, 1)
        forget(record, 0)
        assert part_of(record, 1) == kept
        for table in ("generations", "scores"):
            assert record.query(f"SELECT DISTINCT question FROM {table}") == [(1,)]
        assert record.query("SELECT position FROM questions") == [(1,)]
