"""`selfagg.run.runner.answer`: one question's answer, and no member that it does not need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from selfagg.errors import ModelError
from selfagg.methods import RSA, BestOfN, Method
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import NullStore, Record
from selfagg.run.engine import Engine, FinalSampling, Settings
from selfagg.run.question_run import QuestionRun
from selfagg.run.runner import answer, best_at_hand, default_answer, draw_order, evaluate, questions_at_once
from selfagg.run.subsets import draw_sets
from selfagg.scoring import scorer_for
from selfagg.types import Member, Question, Reply, Request, Sampling, Stop, Usage

QUESTION = Question("q", "Which?", gold="a")
METHOD = RSA(n=5, k=2, t=3)


class Answering(SimulatedModel):
    """A simulated model that gives these replies in turn, then waits for ever; without replies, as simulated."""

    def __init__(self, *replies: str | Reply | ModelError, **simulation: Any) -> None:
        super().__init__(Simulation(**simulation))
        self.replies, self.calls = list(replies), 0

    async def sample(self, request: Request) -> Reply:
        self.calls += 1
        if not self.replies:
            return await super().sample(request)
        if self.calls > len(self.replies):
            await asyncio.Event().wait()
        told = self.replies[self.calls - 1]
        if isinstance(told, ModelError):
            raise told
        return told if isinstance(told, Reply) else Reply(f"<answer>{told}</answer>", usage=Usage(5, 0, 5))


@asynccontextmanager
async def trial_of(model: SimulatedModel, method: Method = METHOD, **more: Any) -> AsyncIterator[QuestionRun]:
    question_run = QuestionRun(Engine(model, Settings(), NullStore(), concurrency=1), QUESTION, 0, method, **more)
    try:
        yield question_run
    finally:
        await question_run.close()


def ancestors(place: int) -> set[tuple[int, int]]:
    found, wanted = {(3, place)}, {place}
    for t in (3, 2):
        sets = draw_sets(1234, "q", t, n=5, k=2)
        wanted = {parent for i in wanted for parent in sets[i]}
        found |= {(t - 1, i) for i in wanted}
    return found


@pytest.mark.parametrize(
    ("method", "question", "scorer", "choice"),
    [
        (RSA(n=2, k=1, t=1), QUESTION, False, "majority"),
        (RSA(n=2, k=1, t=1), Question("free", "Write a poem."), False, "sample"),
        (RSA(n=2, k=1, t=1), Question("free", "Write a poem."), True, "majority"),
        (RSA(n=2, k=1, t=1, answer="sample"), QUESTION, False, "sample"),
        (RSA(n=2, k=1, t=1, answer="majority"), Question("free", "Write a poem."), False, "majority"),
        (RSA(n=1, k=1, t=3), QUESTION, False, "sample"),  # one member has no vote
        (BestOfN(n=4), QUESTION, False, "sample"),  # whose members are not as good as each other
    ],
)
def test_the_answer_is_a_vote_where_members_are_equal_and_can_be_compared(
    method: Method, question: Question, scorer: bool, choice: str
) -> None:
    settings = Settings(scorer=scorer_for(question.kind) if scorer else None)
    assert default_answer(method, question, settings) == choice


async def test_only_the_answer_and_its_ancestors_are_computed() -> None:
    async with trial_of(Answering()) as question_run:
        done = await answer(question_run)
        assert done.member.i == draw_order(question_run)[0]
        assert set(question_run.members) == ancestors(done.member.i)
        assert (done.cut_short, done.others) == (False, ())


async def test_stepwise_computes_every_member_and_has_the_same_answer() -> None:
    async with trial_of(Answering()) as question_run:
        stepwise = await answer(question_run, schedule="stepwise")
        assert len(question_run.members) == METHOD.calls
    async with trial_of(Answering()) as question_run:
        assert (await answer(question_run)).member == stepwise.member


async def test_places_are_drawn_by_the_seed_each_once() -> None:
    drawn = []
    for seed in range(40):
        question_run = QuestionRun(Engine(Answering(), Settings(seed=seed), NullStore()), QUESTION, 0, METHOD)
        assert sorted(draw_order(question_run)) == [0, 1, 2, 3, 4]
        drawn.append(draw_order(question_run)[0])
        await question_run.close()
    assert set(drawn) == {0, 1, 2, 3, 4}


async def test_the_majority_of_the_last_population_is_chosen_and_the_others_follow_by_their_places() -> None:
    method = RSA(n=5, k=2, t=1)
    async with trial_of(Answering("b", "a", "c", "a", "c"), method) as question_run:
        done = await answer(question_run, choice="majority", count=3)
    assert ([done.member.i, *(member.i for member in done.others)], done.member.answer) == ([1, 0, 2], "a")


async def test_a_method_with_a_choice_of_its_own_makes_it() -> None:
    method = BestOfN(n=3)
    grades = [Reply("3"), Reply("9"), Reply("1")]
    async with trial_of(Answering("a", "b", "c", *grades), method) as question_run:
        assert (await answer(question_run)).member.answer == "b"


@pytest.mark.parametrize("lost", [ModelError("gone"), Reply("", stop=Stop.FILTERED)])
async def test_a_member_without_a_reply_gives_its_place_to_the_next_one_drawn(lost: Reply | ModelError) -> None:
    method = RSA(n=3, k=1, t=1)
    async with trial_of(Answering(lost, "b"), method) as question_run:
        done = await answer(question_run)
        assert done.member.i == draw_order(question_run)[1]
        assert done.member.answer == "b"


async def test_an_empty_reply_that_no_filter_made_is_an_answer() -> None:
    method = RSA(n=3, k=1, t=1)
    async with trial_of(Answering(Reply("")), method) as question_run:
        assert (await answer(question_run)).member.i == draw_order(question_run)[0]


async def test_a_spent_budget_gives_the_majority_of_the_deepest_population_with_answers() -> None:
    replies = ["b", "a", "a"]
    method = RSA(n=9, k=1, t=1)
    async with trial_of(Answering(*replies), method, max_total_tokens=30) as question_run:
        done = await answer(question_run, choice="majority")
        assert (done.member.answer, done.member.i, done.cut_short) == ("a", 1, True)
        assert question_run.calls == 3


async def test_a_deadline_that_passes_before_any_reply_is_an_error() -> None:
    method = RSA(n=2, k=1, t=1)
    async with trial_of(Answering(Reply("late")), method) as question_run:
        question_run.engine.model.calls = 1  # type: ignore[attr-defined]  # it waits from the first call on
        with pytest.raises(ModelError, match="no answer: the budget or the deadline ended before any reply"):
            await answer(question_run, deadline_s=0.01)


async def test_where_every_call_fails_the_first_failure_is_told() -> None:
    method = RSA(n=2, k=1, t=1)
    async with trial_of(Answering(ModelError("one"), ModelError("two")), method) as question_run:
        with pytest.raises(ModelError, match=r"no answer: one$"):
            await answer(question_run, choice="majority")


async def test_where_no_call_makes_the_bound_form_the_deepest_failure_is_told() -> None:
    async with trial_of(Answering(ModelError("one"), ModelError("two")), RSA(n=2, k=1, t=1)) as question_run:
        question_run.engine.final_sampling = FinalSampling(1, Sampling(), binds=True)
        question_run.members[0, 0] = Member(0, 0, error="shallow")
        with pytest.raises(ModelError, match=r"^no answer in the form that is asked for: two$"):
            await answer(question_run)


async def test_a_closing_call_that_fails_is_an_error() -> None:
    model = Answering("a", "a", ModelError("no such format"))
    async with trial_of(model, RSA(n=2, k=1, t=1)) as question_run:
        question_run.engine.final_sampling = FinalSampling(1, Sampling(), votes=True, binds=True)
        with pytest.raises(ModelError, match=r"^the closing call failed: no such format$"):
            await answer(question_run, choice="majority")


@pytest.mark.parametrize("answered", [True, False])
async def test_a_closing_call_shows_the_first_that_agree_or_any_reply_where_none_has_an_answer(answered: bool) -> None:
    told = ["b", "a", "a", "a"] if answered else [ModelError("gone"), *[Reply("")] * 3]
    async with trial_of(Answering(*told, "a", "a"), RSA(n=4, k=2, t=1)) as question_run:
        question_run.engine.final_sampling = FinalSampling(1, Sampling(), votes=True, binds=True)
        done = await answer(question_run, choice="majority", count=2)
    assert [(member.t, member.i) for member in (done.member, *done.others)] == [(2, 0), (2, 1)]
    assert done.member.parents == (1, 2)


@pytest.mark.parametrize(
    ("answers", "best"),
    [
        ({(1, 0): "a", (1, 1): "b", (1, 2): "b"}, (1, 1)),
        ({(1, 0): "a", (2, 1): "b"}, (2, 1)),
        ({(1, 0): "a", (1, 3): "a", (2, 1): None}, (1, 0)),
        ({(1, 0): None, (2, 2): None, (2, 1): None}, (2, 1)),
    ],
)
async def test_the_best_at_hand(answers: Mapping[tuple[int, int], str | None], best: tuple[int, int]) -> None:
    async with trial_of(Answering()) as question_run:
        for (t, i), told in answers.items():
            question_run.members[t, i] = Member(t, i, reply=Reply(told or ""), answer=told)
        question_run.members[3, 0] = Member(3, 0, error="gone")
        found = await best_at_hand(question_run)
    assert (found.t, found.i) == best


@pytest.mark.parametrize(("calls", "n", "most"), [(1, 16, 1), (16, 16, 4), (64, 16, 13), (256, 4, 193)])
def test_three_times_as_many_members_are_open_as_calls_may_be(calls: int, n: int, most: int) -> None:
    assert questions_at_once(calls, n) == most


async def test_a_whole_run_records_which_members_have_equal_answers() -> None:
    method = RSA(n=3, k=1, t=1)
    with Record(None) as record:
        record.begin(configuration(method, "simulated:", Settings(), "test"), [QUESTION])
        model = Answering("b", "a", "b")
        await evaluate(Engine(model, Settings(), record, concurrency=1), method, [QUESTION])
        assert record.query("SELECT i, same FROM scores ORDER BY i") == [(0, 0), (1, 1), (2, 0)]
