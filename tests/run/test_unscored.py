"""Answers that could not be scored: scored when the run goes on, and a scorer that cannot work ends the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.merge import merge, part_of
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate, finished_questions
from selfagg.types import Member, Question, Reply, Request

QUESTIONS = [Question(f"q{i}", f"Simulated question {i}?", "text", gold=f"right {i}") for i in range(3)]
METHOD = RSA(n=4, k=2, t=3)
NOTE = "the checker ended before its time"
SCORES = "SELECT question, t, i, answer, score, note, same FROM scores ORDER BY question, t, i"
WEIGHTS = "SELECT position, weights FROM questions ORDER BY position"


class Counted(SimulatedModel):
    """A simulated model that counts its calls."""

    def __init__(self) -> None:
        super().__init__(Simulation(p=0.5, slots=2))
        self.calls = 0

    async def sample(self, request: Request) -> Reply:
        self.calls += 1
        return await super().sample(request)


class KilledBeforeGrouping(Record):
    """A record whose process ends between an answer's score and its group."""

    async def save_groups(self, question: int, groups: Sequence[Sequence[Member]]) -> None:
        raise UsageError("killed")


async def evaluated(record: Record, questions: Sequence[Question] = QUESTIONS) -> Counted:
    model = Counted()
    record.begin(configuration(METHOD, model.name, Settings(), "own"), questions)
    await evaluate(Engine(model, Settings(), record), METHOD, questions)
    return model


async def unscore(record: Record, position: int, *places: tuple[int, int]) -> None:
    """As if these answers could not have been scored when the question was done."""
    members = record.members(position)
    same = {(t, i): same for question, t, i, *_, same in record.query(SCORES) if question == position}
    weights = record.weights(position)
    for t, i in places:
        await record.save_score(position, replace(members["candidate", t, i], score=None), NOTE)
    with record.transaction() as database:
        for t, i in places:
            database.execute(
                "UPDATE scores SET same = ? WHERE question = ? AND t = ? AND i = ?", (same[t, i], position, t, i)
            )
    await record.save_weights(position, weights)


async def test_they_are_scored_when_the_run_goes_on_and_no_call_is_made_again(tmp_path: Path) -> None:
    with Record(tmp_path / "r.sqlite") as record:
        assert (await evaluated(record)).calls == 36
        whole, weights = record.query(SCORES), record.query(WEIGHTS)
        await unscore(record, 1, (1, 0), (3, 2))
        assert finished_questions(record) == {0, 2}
    with Record(tmp_path / "r.sqlite") as record:
        assert (await evaluated(record)).calls == 0
        assert record.query(SCORES) == whole
        assert record.query(WEIGHTS) == weights
        assert finished_questions(record) == {0, 1, 2}


async def test_a_run_killed_between_score_and_group_is_not_taken_for_done(tmp_path: Path) -> None:
    with Record(tmp_path / "r.sqlite") as record:
        await evaluated(record)
        whole = record.query(SCORES)
        await unscore(record, 1, (1, 0))
    with KilledBeforeGrouping(tmp_path / "r.sqlite") as killed:
        with pytest.raises(UsageError, match="killed"):
            await evaluated(killed)
        assert finished_questions(killed) == {0, 2}
    with Record(tmp_path / "r.sqlite") as record:
        assert (await evaluated(record)).calls == 0
        assert record.query(SCORES) == whole


async def test_a_score_that_another_machine_found_is_taken() -> None:
    with Record(None) as whole, Record(None) as lacking:
        await evaluated(whole)
        await evaluated(lacking)
        await unscore(lacking, 1, (1, 0), (2, 1))
        part = part_of(lacking, 1)
        merge(lacking, part_of(whole, 1))
        assert lacking.query(SCORES) == whole.query(SCORES)
        merge(lacking, part)  # and never the other way round
        assert lacking.query(SCORES) == whole.query(SCORES)


async def test_a_scorer_that_cannot_work_ends_the_run_before_all_is_sampled() -> None:
    asked = [Question("broken", "?", "reasoning_gym", gold="1", data={"no": "task"})]
    model = SimulatedModel(Simulation(slots=1))
    method = RSA(n=2, k=1, t=200)
    with Record(None) as record:
        record.begin(configuration(method, model.name, Settings(), "own"), asked)
        with pytest.raises(UsageError, match="question broken: its data lacks"):
            await evaluate(Engine(model, Settings(), record), method, asked)
        ((made,),) = record.query("SELECT count(*) FROM generations")
        assert made < 400
