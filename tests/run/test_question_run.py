"""One question being answered: shields, the record's members, budgets, groups and votes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from selfagg.errors import SelfaggError, UsageError
from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.prompts import aggregation, first
from selfagg.record.configuration import configuration
from selfagg.record.record import Generation, Record
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.question_run import QuestionRun
from selfagg.scoring.base import Verdict
from selfagg.types import Member, Question, Reply, Usage

METHOD = RSA(n=4, k=2, t=2)
QUESTION = Question("q", "Which word?", gold="a")


def begun(record: Record, scorer: Any = None, **simulation: Any) -> Engine:
    settings = Settings(scorer=scorer)
    record.begin(configuration(METHOD, "simulated:", settings, "test"), [QUESTION])
    return Engine(SimulatedModel(Simulation(**simulation)), settings, record)


async def opened(engine: Engine, **settings: Any) -> QuestionRun:
    question_run = QuestionRun(engine, QUESTION, 0, METHOD, **settings)
    await question_run.load()
    return question_run


def said(i: int, answer: str | None, t: int = 1, parents: tuple[int, ...] = (), score: float | None = None) -> Member:
    text = "" if answer is None else f"<answer>{answer}</answer>"
    return Member(t, i, parents, Reply(text, usage=Usage(10, 0, 5)), answer=answer, score=score)


async def test_a_caller_that_is_cancelled_takes_the_member_from_nobody() -> None:
    begin, started = asyncio.Event(), 0

    async def slow(i: int) -> int:
        nonlocal started
        started += 1
        await begin.wait()
        return i

    with Record(None) as record:
        question_run = await opened(begun(record))
        ask = question_run.memoised(slow)
        gives_up, waits = asyncio.ensure_future(_wait(ask(1))), asyncio.ensure_future(_wait(ask(1)))
        await asyncio.sleep(0)
        gives_up.cancel()
        await asyncio.sleep(0)
        assert gives_up.cancelled()
        begin.set()
        assert (await waits, await ask(1), started) == (1, 1, 1)
        assert (await ask(2), started) == (2, 2)
        await question_run.close()


async def _wait(future: asyncio.Future[int]) -> int:
    return await future


async def test_stopping_ends_every_member_and_keeps_what_is_done() -> None:
    async def endless(i: int) -> None:
        await asyncio.Event().wait()

    with Record(None) as record:
        question_run = await opened(begun(record))
        await question_run.sample(1, 0, first(QUESTION))
        pending = [question_run.memoised(endless)(i) for i in range(3)]
        await asyncio.sleep(0)
        await question_run.stop()
        assert all(one.done() for one in pending)
        assert list(question_run.members) == [(1, 0)]
        await question_run.close()


@pytest.mark.parametrize(("parents", "fits"), [((2, 0), True), ((0, 2), False), ((0,), False), ((), False)])
async def test_a_recorded_member_must_have_the_parents_that_this_run_draws(parents: Any, fits: bool) -> None:
    with Record(None) as record:
        engine = begun(record)
        await record.save(Generation(0, said(1, "a", t=2, parents=parents)))
        question_run = await opened(engine)
        prompt = aggregation(QUESTION, [said(2, "a"), said(0, "b")])
        if fits:
            assert (await question_run.sample(2, 1, prompt)).parents == (2, 0)
        else:
            told = r"question q: .*member 1 of population 2 with parents \[.*\], but this run draws \[2, 0\]"
            with pytest.raises(UsageError, match=told):
                await question_run.sample(2, 1, prompt)
        await question_run.close()


async def test_members_before_a_population_may_be_read_alone() -> None:
    with Record(None) as record:
        engine = begun(record)
        for member, role in ((said(0, "a"), "candidate"), (said(1, "a"), "grade"), (said(0, "b", t=2), "candidate")):
            await record.save(Generation(0, member, role))
        heard = []
        for before in (None, 3, 2, 1):
            question_run = QuestionRun(engine, QUESTION, 0, METHOD)
            await question_run.load(before=before)
            heard.append(sorted(question_run._recorded))
            await question_run.close()
    candidates = [("candidate", 1, 0), ("candidate", 2, 0)]
    assert heard == [[*candidates, ("grade", 1, 1)], candidates, candidates[:1], []]


async def test_tokens_calls_and_replies_are_counted_recorded_ones_too() -> None:
    with Record(None) as record:
        engine = begun(record, tokens=20, cv=0)
        await record.save(Generation(0, said(0, "a")))
        await record.save(Generation(0, Member(1, 1, error="gone")))
        engine.as_recorded = True
        question_run = await opened(engine)
        for i in range(3):
            await question_run.sample(1, i, first(QUESTION))
        assert (question_run.calls, question_run.replies) == (3, 2)
        assert question_run.usage.completion == 5 + 20
        assert question_run.usage.prompt > 10
        assert question_run.estimated == Usage()
        await question_run.close()


async def test_tokens_that_nobody_tells_are_estimated() -> None:
    with Record(None) as record:
        question_run = await opened(begun(record, untold=1.0))
        await question_run.sample(1, 0, first(QUESTION))
        assert question_run.usage == Usage(unknown=1)
        assert question_run.estimated.prompt > 0
        assert question_run.estimated.completion > 0
        await question_run.close()


@pytest.mark.parametrize(("budget", "spent"), [(45, True), (46, False), (None, False)])
async def test_a_budget_is_spent_when_it_is_reached(budget: int | None, spent: bool) -> None:
    with Record(None) as record:
        engine = begun(record)
        for i in range(3):
            await record.save(Generation(0, said(i, "a")))
        question_run = await opened(engine, max_total_tokens=budget)
        for i in range(3):
            await question_run.sample(1, i, first(QUESTION))
        assert question_run.spent.done() is spent
        await question_run.close()


async def test_a_failed_call_is_made_again_unless_it_is_not_to_be() -> None:
    for again in (True, False):
        with Record(None) as record:
            engine = begun(record)
            engine.as_recorded = not again
            await record.save(Generation(0, Member(1, 0, error="gone")))
            question_run = await opened(engine)
            member = await question_run.sample(1, 0, first(QUESTION))
            assert (member.reply is not None) is again
            await question_run.close()


async def test_the_watcher_hears_what_is_fresh_and_what_was_recorded() -> None:
    class Heard(Callback):
        def __init__(self) -> None:
            self.words: list[tuple[int, int, str, bool]] = []

        def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
            self.words.append((member.t, member.i, role, fresh))

    with Record(None) as record:
        engine = begun(record)
        engine.callback = heard = Heard()
        await record.save(Generation(0, said(0, "a")))
        question_run = await opened(engine)
        await question_run.sample(1, 0, first(QUESTION))
        await question_run.sample(1, 1, first(QUESTION))
        await question_run.sample(1, 0, first(QUESTION), role="grade")
        assert heard.words == [(1, 0, "candidate", False), (1, 1, "candidate", True), (1, 0, "grade", True)]
        assert sorted(question_run.members) == [(1, 0), (1, 1)]  # a grade is no member
        await question_run.close()


async def test_equal_answers_are_recorded_under_the_earliest_of_their_group() -> None:
    with Record(None) as record:
        engine = begun(record)
        for i, answer in enumerate(["b", "a", "a", None]):
            await record.save(Generation(0, said(i, answer)))
        question_run = await opened(engine)
        for i in range(4):
            await question_run.sample(1, i, first(QUESTION))
        await question_run.scored()
        await question_run.group()
        assert record.query("SELECT i, same FROM scores ORDER BY i") == [(0, 0), (1, 1), (2, 1), (3, None)]
        await question_run.close()


@pytest.mark.parametrize(
    ("answers", "weights"),
    [
        (["b", "a", "a", None], [0.0, 1.0, 0.0, 0.0]),
        (["b", "a", "a", "b"], [1.0, 0.0, 0.0, 0.0]),
        ([None] * 4, [0.25] * 4),
    ],
)
async def test_a_vote(answers: Sequence[str | None], weights: list[float]) -> None:
    with Record(None) as record:
        question_run = await opened(begun(record))
        population = [said(i, answer) for i, answer in enumerate(answers)]
        assert await question_run.vote(population) == weights
        voters = sum(answer is not None for answer in answers)
        assert sum(map(len, await question_run.groups(population))) == voters
        await question_run.close()


async def test_a_score_that_comes_late_opens_the_question_again() -> None:
    with Record(None) as record:
        engine = begun(record)
        await record.save(Generation(0, said(0, "a")))
        await record.save_weights(0, [1.0])
        question_run = await opened(engine)
        await question_run.sample(1, 0, first(QUESTION))
        await question_run.scored()
        assert record.weights(0) is None
        assert record.query("SELECT answer, score FROM scores") == [("a", 1.0)]
        await question_run.close()


async def test_a_recorded_score_is_not_made_again() -> None:
    class Refusing:
        def answer(self, question: Question, text: str) -> str:
            return "read"

        async def score(self, question: Question, text: str) -> Verdict:
            raise AssertionError("scored again")

        async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
            return list(range(len(answers)))

    with Record(None) as record:
        engine = begun(record, Refusing())
        await record.save(Generation(0, said(0, "a")))
        await record.save_score(0, said(0, "a", score=0.5))
        await record.save_weights(0, [1.0])
        question_run = await opened(engine)
        member = await question_run.sample(1, 0, first(QUESTION))
        await question_run.scored()
        assert (member.answer, question_run.members[1, 0].score, record.weights(0)) == ("read", 0.5, [1.0])
        await question_run.close()


async def test_where_nothing_can_be_scored_no_further_member_is_sampled() -> None:
    class Broken:
        def answer(self, question: Question, text: str) -> str:
            return text

        async def score(self, question: Question, text: str) -> Verdict:
            raise SelfaggError("no sandbox")

        async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
            return list(range(len(answers)))

    with Record(None) as record:
        question_run = await opened(begun(record, Broken()))
        await question_run.sample(1, 0, first(QUESTION))
        with pytest.raises(SelfaggError, match="no sandbox"):
            await question_run.scored()
        with pytest.raises(SelfaggError, match="no sandbox"):
            await question_run.sample(1, 1, first(QUESTION))
        assert record.query("SELECT count(*) FROM generations") == [(1,)]
        await question_run.close()


async def test_a_failed_call_has_the_score_of_an_empty_reply() -> None:
    with Record(None) as record:
        question_run = await opened(begun(record, fail=1.0))
        member = await question_run.sample(1, 0, first(QUESTION))
        await question_run.scored()
        assert (member.reply, question_run.members[1, 0].answer, question_run.members[1, 0].score) == (None, None, 0.0)
        assert replace(member, score=0.0).right is False
        await question_run.close()
