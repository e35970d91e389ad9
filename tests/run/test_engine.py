"""One member sampled: its seed, its prompt's fit, its record, and when failures end a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from selfagg.errors import ContextOverflow, ModelError, RunStopped
from selfagg.methods import RSA
from selfagg.models.base import fingerprint
from selfagg.models.limiter import Limiter
from selfagg.models.pace import Pace, RetryPolicy
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.prompts import aggregation, first, verification
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run import engine as engine_module
from selfagg.run.call_queue import CallQueue
from selfagg.run.engine import FAILURES_IN_A_ROW, Callback, Engine, FinalSampling, Settings
from selfagg.run.subsets import address_seed
from selfagg.types import Delta, Member, Question, Reply, Request, Sampling

QUESTION = Question("q", "Why? " * 30, gold="a")
Answer = Callable[[Request], Reply]


class Asked(SimulatedModel):
    """A simulated model that keeps its requests, and answers as ``answer`` does where it is given."""

    def __init__(self, answer: Answer | None = None, **simulation: Any) -> None:
        super().__init__(Simulation(**simulation))
        self.requests, self.answer = list[Request](), answer

    async def sample(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.answer(request) if self.answer else await super().sample(request)


def begun(record: Record, model: SimulatedModel, settings: Settings | None = None, **more: Any) -> Engine:
    settings = settings or Settings()
    record.begin(configuration(RSA(), "simulated:", settings, "test"), [QUESTION])
    return Engine(model, settings, record, **more)


async def sampled(engine: Engine, t: int = 1, i: int = 0, prompt: Any = None, **more: Any) -> Member:
    settings = {"method": "rsa", "role": "candidate"} | more
    return await engine.sample(QUESTION, 0, t, i, prompt or first(QUESTION), **settings)


def said(i: int, text: str) -> Member:
    return Member(1, i, reply=Reply(text))


async def test_a_members_seed_is_that_of_its_address_and_the_same_for_all_methods_in_the_first_population() -> None:
    model = Asked()
    with Record(None) as record:
        engine = begun(record, model, Settings(seed=5))
        for method in ("rsa", "majority"):
            for t in (1, 2):
                await sampled(engine, t, 3, aggregation(QUESTION, [said(0, "x")]) if t > 1 else None, method=method)
    assert [request.seed for request in model.requests] == [
        address_seed(5, "q", method, "candidate", t, 3) for method, t in
        [("first", 1), ("rsa", 2), ("first", 1), ("majority", 2)]
    ]  # fmt: skip


async def test_what_is_recorded_of_a_call() -> None:
    model = Asked()
    with Record(None) as record:
        engine = begun(record, model)
        member = await sampled(engine, 2, 1, aggregation(QUESTION, [said(2, "x"), said(0, "y")]))
        told = record.query("SELECT t, i, parents, prompt, cut, seed, tries, started > 1e9 FROM generations")
    (request,) = model.requests
    assert told == [(2, 1, "[2, 0]", fingerprint(request.messages), 0, request.seed, 1, 1)]
    assert member.parents == (2, 0)
    assert [parent.i for parent in request.parents] == [2, 0]
    assert (request.verbatim, request.run_seed, request.place) == (False, 1234, 1)
    assert request.sampling.max_tokens == 8192


async def test_a_prompts_own_temperature_and_bound_are_kept_to() -> None:
    model = Asked()
    with Record(None) as record:
        engine = begun(record, model, Settings(Sampling(temperature=0.7, max_tokens=50)))
        await sampled(engine)
        await sampled(engine, prompt=verification(QUESTION, said(0, "x")), role="verdict")
    assert [(r.sampling.temperature, r.sampling.max_tokens) for r in model.requests] == [(0.7, 50), (0.1, 10)]


async def test_a_member_whose_parents_all_failed_asks_nobody() -> None:
    model = Asked()
    with Record(None) as record:
        member = await sampled(begun(record, model), 2, 0, aggregation(QUESTION, [Member(1, 3, error="gone")]))
        told = record.query("SELECT error, tries, started > 1e9, seed FROM generations")
        seed = address_seed(1234, "q", "rsa", "candidate", 2, 0)
        assert told == [("none of its parents has a reply", 0, 1, seed)]
    assert (member.parents, member.error, model.requests) == ((3,), "none of its parents has a reply", [])


async def test_a_failed_call_is_a_member_with_an_error() -> None:
    def answer(request: Request) -> Reply:
        raise ModelError("broken", tries=4)

    with Record(None) as record:
        engine = begun(record, Asked(answer))
        member = await sampled(engine)
        assert (member.reply, member.error, str(engine.failure)) == (None, "broken", "broken")
        assert record.query("SELECT error, tries, text FROM generations") == [("broken", 4, None)]


@pytest.mark.parametrize("good_one", [None, FAILURES_IN_A_ROW - 1])
async def test_so_many_failures_in_a_row_end_a_run_and_an_answer_between_them_does_not(good_one: int | None) -> None:
    def answer(request: Request) -> Reply:
        if len(model.requests) == good_one:
            return Reply("fine")
        raise ModelError("broken")

    model = Asked(answer)
    with Record(None) as record:
        engine = begun(record, model)
        for i in range(FAILURES_IN_A_ROW - 1):
            await sampled(engine, i=i)
        if good_one:
            await sampled(engine, i=90)
            return
        for i in (90, 91):
            with pytest.raises(RunStopped, match="16 calls in a row failed; the last: broken") as stopped:
                await sampled(engine, i=i)
            assert not stopped.value.fatal
        assert len(model.requests) == FAILURES_IN_A_ROW  # after the end nobody is asked


@pytest.mark.parametrize(("fatal", "gone"), [(True, False), (False, True)])
async def test_a_hopeless_failure_ends_a_run_at_once_and_is_not_recorded(fatal: bool, gone: bool) -> None:
    def answer(request: Request) -> Reply:
        raise ModelError("hopeless", fatal=fatal, gone=gone)

    with Record(None) as record:
        engine = begun(record, Asked(answer))
        with pytest.raises(RunStopped, match=r"^hopeless$") as stopped:
            await sampled(engine)
        assert stopped.value.fatal is fatal
        assert record.query("SELECT count(*) FROM generations") == [(0,)]


@pytest.mark.parametrize(("refusals", "fits"), [(5, True), (6, False)])
async def test_a_prompt_that_is_refused_as_too_long_is_shortened_five_times(refusals: int, fits: bool) -> None:
    def answer(request: Request) -> Reply:
        if len(model.requests) <= refusals:
            raise ContextOverflow("too long")
        return Reply("short enough")

    model = Asked(answer)
    with Record(None) as record:
        engine = begun(record, model, Settings(Sampling(max_tokens=100)))
        member = await sampled(engine, 2, 0, aggregation(QUESTION, [said(0, "x" * 40_000), said(1, "y" * 40_000)]))
        ((cut,),) = record.query("SELECT cut FROM generations")
    assert (member.text, member.error) == (("short enough", None) if fits else ("", "too long"))
    assert len(model.requests) == min(refusals + 1, 6)
    lengths = [await model.count_tokens(request.messages) for request in model.requests]
    assert all(later <= 0.6 * earlier for earlier, later in pairwise(lengths))
    assert all(later >= 0.5 * earlier for earlier, later in pairwise(lengths))
    assert cut == (2 if fits else 0)


async def test_a_question_alone_cannot_be_shortened() -> None:
    def answer(request: Request) -> Reply:
        raise ContextOverflow("too long")

    model = Asked(answer)
    with Record(None) as record:
        member = await sampled(begun(record, model))
    assert (member.error, len(model.requests)) == ("too long", 1)


async def test_the_tokens_of_an_untold_call_are_those_of_its_prompt_and_its_reply() -> None:
    model = Asked()
    with Record(None) as record:
        engine = begun(record, model)
        prompt = aggregation(QUESTION, [said(0, "x" * 400), said(1, "y" * 400)])
        short = await engine.estimate(prompt, Reply("z" * 40, "w" * 40))
        long = await engine.estimate(prompt, Reply("z" * 440, "w" * 440))
    assert short.prompt == long.prompt == await model.count_tokens(prompt.messages(["x" * 400, "y" * 400]))
    assert long.completion - short.completion == 200


async def test_calls_share_the_gate_that_is_given() -> None:
    call_queue, model = CallQueue(1), Asked()
    with Record(None) as record:
        assert begun(record, model, call_queue=call_queue).call_queue is call_queue
    with Record(None) as record:
        assert begun(record, model, concurrency=3).call_queue.limit == 3
    with Record(None) as record:
        assert begun(record, model).call_queue.limit == model.concurrency


class Paced(Asked):
    """A simulated model with servers that take three calls at once."""

    def __init__(self) -> None:
        super().__init__()
        server = SimpleNamespace(pace=Pace(RetryPolicy()))
        server.pace.limit = 3
        self.limiter: Limiter[Any] = Limiter(RetryPolicy(), [server])


async def test_the_queue_follows_the_servers_and_the_callback_hears_of_their_waits() -> None:
    model, callback = Paced(), Callback()
    with Record(None) as record:
        engine = begun(record, model, concurrency=8, callback=callback)
        assert engine.call_queue.limit == 3
        assert callback in model.limiter.listeners


class Noted(Callback):
    """Notes the addresses of members in the order in which they are made."""

    def __init__(self, order: list[tuple[int, int]]) -> None:
        self.order = order

    def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
        self.order.append((member.t, member.i))


async def test_deeper_populations_and_earlier_questions_go_first() -> None:
    order: list[tuple[int, int]] = []

    def answer(request: Request) -> Reply:
        return Reply("fine")

    with Record(None) as record:
        engine = begun(record, Asked(answer), concurrency=1)
        engine.callback = Noted(order)
        async with engine.call_queue.enter():
            prompt = aggregation(QUESTION, [said(0, "x")])
            calls = [asyncio.ensure_future(sampled(engine, t, i, prompt)) for t in (1, 3, 2) for i in (1, 0)]
            await asyncio.sleep(0)
        await asyncio.gather(*calls)
    assert order == [(3, 0), (3, 1), (2, 0), (2, 1), (1, 0), (1, 1)]


async def test_a_stream_that_ends_without_a_reply_is_a_failure() -> None:
    class Silent(SimulatedModel):
        async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
            yield Delta("begun")

    heard: list[Delta] = []
    final_sampling = FinalSampling(1, Sampling(), lambda _, delta: heard.append(delta))
    with Record(None) as record:
        member = await sampled(begun(record, Silent(Simulation()), final_sampling=final_sampling))
    assert (member.reply, member.error) == (None, "the model's stream ended without a reply")
    assert heard == [Delta("begun")]


def test_the_limits_that_the_docs_tell() -> None:
    assert (engine_module.TIGHTENED, engine_module.ATTEMPTS, FAILURES_IN_A_ROW) == (0.6, 6, 16)
    assert (Settings().seed, Settings().candidate, Settings().sampling.temperature) == (1234, "response", 1.0)
