"""The engine with a simulated model: what is computed does not depend on when."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.errors import ContextOverflow, ModelError, RunStopped, UsageError
from selfagg.methods import METHODS, RSA, Majority, Method, SelfRefine, Single
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import Generation, Record
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.runner import Schedule, evaluate
from selfagg.types import Member, Question, Reply, Request, Sampling

Populations = dict[tuple[int, int, int], tuple[tuple[int, ...], str, float | None]]

QUESTIONS = [Question(f"q{i}", f"Simulated question {i}?", "text", gold=f"right {i}") for i in range(3)]


class Slow(SimulatedModel):
    """A simulated model with random latencies that have nothing to do with the seeds, and a count of its calls."""

    def __init__(self, chance: random.Random | None = None, **simulation: float) -> None:
        super().__init__(Simulation(**simulation))  # type: ignore[arg-type]
        self.chance = chance
        self.requests: list[Request] = []

    async def sample(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.chance is not None:
            await asyncio.sleep(self.chance.random() / 500)
        return await super().sample(request)


def begun(record: Record, method: Method, questions: Sequence[Question] = QUESTIONS) -> Record:
    record.begin(configuration(method, "simulated:", Settings(), "test"), questions)
    return record


def populations(record: Record, questions: int = len(QUESTIONS)) -> Populations:
    return {
        (position, t, i): (member.parents, member.text, member.score)
        for position in range(questions)
        for (_, t, i), member in record.members(position).items()
    }


async def run(method: Method, model: Slow, *, concurrency: int = 8, schedule: Schedule = "free") -> Populations:
    with begun(Record(None), method) as record:
        await evaluate(Engine(model, Settings(), record, concurrency=concurrency), method, QUESTIONS, schedule=schedule)
        return populations(record)


@pytest.fixture(scope="module")
def plain() -> Populations:
    return asyncio.run(run(RSA(n=5, k=2, t=3), Slow()))


@settings(max_examples=15, deadline=None)
@given(chance=st.integers(0, 10**6), concurrency=st.integers(1, 40), schedule=st.sampled_from(["free", "stepwise"]))
def test_populations_do_not_depend_on_order(
    plain: Populations, chance: int, concurrency: int, schedule: Schedule
) -> None:
    model = Slow(random.Random(chance))
    assert asyncio.run(run(RSA(n=5, k=2, t=3), model, concurrency=concurrency, schedule=schedule)) == plain
    assert len(model.requests) == 3 * 15


@settings(max_examples=10, deadline=None)
@given(chance=st.integers(0, 10**6), interruptions=st.lists(st.floats(0.0, 0.03), min_size=1, max_size=4))
def test_interruptions_change_nothing_and_nothing_recorded_is_asked_for_again(
    plain: Populations, chance: int, interruptions: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    method, path = RSA(n=5, k=2, t=3), tmp_path_factory.mktemp("run") / "run.sqlite"
    done: set[int] = set()

    async def some(seconds: float | None) -> None:
        model = Slow(random.Random(chance))
        with begun(Record(path), method) as record:
            recorded = {seed for (seed,) in record.query("SELECT seed FROM generations")}
            assert recorded >= done
            work = evaluate(Engine(model, Settings(), record, concurrency=3), method, QUESTIONS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(work, seconds)
            assert not recorded & {request.seed for request in model.requests}
            done.update(seed for (seed,) in record.query("SELECT seed FROM generations"))

    for seconds in interruptions:
        asyncio.run(some(seconds))
    asyncio.run(some(None))
    with Record(path, read_only=True) as record:
        assert populations(record) == plain


async def test_the_papers_setting_makes_160_calls() -> None:
    method, model = RSA(), Slow()
    assert (method.n, method.k, method.t, method.calls) == (16, 4, 10, 160)
    with begun(Record(None), method, QUESTIONS[:1]) as record:
        await evaluate(Engine(model, Settings(), record), method, QUESTIONS[:1])
        assert len(model.requests) == 160
        assert len(populations(record, 1)) == 160


async def test_a_run_of_three_populations_is_contained_in_one_of_ten() -> None:
    long = await run(RSA(n=6, k=3, t=10), Slow())
    short = await run(RSA(n=6, k=3, t=3), Slow())
    assert short == {address: member for address, member in long.items() if address[1] <= 3}


async def test_methods_share_their_first_population() -> None:
    firsts = []
    for method in (RSA(n=4, k=2, t=2), Majority(n=4), SelfRefine(n=4, t=2)):
        members = await run(method, Slow())
        firsts.append({address: member for address, member in members.items() if address[1] == 1})
    assert firsts[0] == firsts[1] == firsts[2]


@pytest.mark.parametrize("name", sorted(METHODS))
async def test_every_method_makes_the_calls_it_says_and_weighs_to_one(name: str) -> None:
    method, model = METHODS[name](), Slow()
    with begun(Record(None), method) as record:
        await evaluate(Engine(model, Settings(), record), method, QUESTIONS)
        assert len(model.requests) == len(QUESTIONS) * method.calls
        for position in range(len(QUESTIONS)):
            weights = record.weights(position)
            assert weights is not None
            assert len(weights) == method.size(method.t)
            assert sum(weights) == pytest.approx(1)


async def test_failed_calls_are_counted_and_take_nothing_down() -> None:
    method, model = RSA(n=4, k=2, t=3), Slow(fail=0.3)
    with begun(Record(None), method) as record:
        await evaluate(Engine(model, Settings(), record), method, QUESTIONS)
        members = [member for p in range(3) for member in record.members(p).values()]
        failed = [member for member in members if member.error]
        assert len(members) == 36
        assert 0 < len(failed) < 36
        assert all(member.reply is None and member.answer is None and not member.right for member in failed)
        for request in model.requests:  # a failed parent is not shown
            assert all(parent.reply for parent in request.parents)


async def test_a_rerun_asks_again_for_what_failed() -> None:
    method = Single(n=6)
    with begun(Record(None), method) as record:
        await evaluate(Engine(Slow(fail=0.5), Settings(), record), method, QUESTIONS)
        failed = sum(member.error is not None for p in range(3) for member in record.members(p).values())
        again = Slow()
        await evaluate(Engine(again, Settings(), record), method, QUESTIONS)
        assert 0 < failed == len(again.requests)
        assert not any(member.error for p in range(3) for member in record.members(p).values())


async def test_a_question_stays_done_until_something_new_is_there_for_it() -> None:
    method = Single(n=6)
    done = "SELECT count(*) FROM questions WHERE weights IS NOT NULL"
    with begun(Record(None), method) as record:
        await evaluate(Engine(Slow(fail=0.5), Settings(), record), method, QUESTIONS)
        with pytest.raises(RunStopped):
            await evaluate(Engine(Gone(fatal=True), Settings(), record), method, QUESTIONS)
        assert record.query(done) == [(3,)]
        position = record.query("SELECT question FROM generations WHERE error IS NOT NULL")[0][0]
        (missing,) = [m for m in record.members(position).values() if m.error][:1]
        await record.save(Generation(position, replace(missing, error=None, reply=Reply("late"))))
        assert record.query(done) == [(2,)]


class Gone(SimulatedModel):
    """A simulated model that fails every call."""

    def __init__(self, *, fatal: bool, gone: bool = False) -> None:
        super().__init__(Simulation())
        self.fatal, self.gone, self.calls = fatal, gone, 0

    async def sample(self, request: Request) -> Reply:
        self.calls += 1
        raise ModelError("nobody there", fatal=self.fatal, gone=self.gone)


@pytest.mark.parametrize(
    ("fatal", "gone", "most", "failed", "said"),
    [
        (True, False, 8, 0, "^nobody there$"),
        (False, True, 8, 0, "^nobody there$"),
        (False, False, 40, 15, "^16 calls in a row failed; the last: nobody there$"),
    ],
)
async def test_a_run_stops_when_the_model_is_gone(fatal: bool, gone: bool, most: int, failed: int, said: str) -> None:
    method, model = RSA(n=16, k=4, t=10), Gone(fatal=fatal, gone=gone)
    with begun(Record(None), method) as record:
        with pytest.raises(RunStopped, match=said) as stopped:
            await evaluate(Engine(model, Settings(), record, concurrency=8), method, QUESTIONS)
        ((recorded,),) = record.query("SELECT count(*) FROM generations WHERE error = 'nobody there'")
    assert (stopped.value.fatal, model.calls <= most) == (fatal, True)
    assert recorded <= failed


async def test_failures_now_and_then_stop_nothing() -> None:
    method = Single(n=64)
    with begun(Record(None), method) as record:
        await evaluate(Engine(Slow(fail=0.5), Settings(), record, concurrency=8), method, QUESTIONS)
        ((failed,),) = record.query("SELECT count(*) FROM generations WHERE error IS NOT NULL")
    assert failed > 32


class Narrow(SimulatedModel):
    """A simulated model that does not say how small its context is."""

    async def sample(self, request: Request) -> Reply:
        if await self.count_tokens(request.messages) > 400:
            raise ContextOverflow("too long")
        return await super().sample(request)


async def test_a_context_smaller_than_known_is_found_by_shortening() -> None:
    method = RSA(n=4, k=4, t=2)
    question = replace(QUESTIONS[0], text="Why? " * 40)
    text = "x" * 1500
    model = Narrow(Simulation(tokens=200))
    model._text = lambda *_: text  # type: ignore[method-assign]
    sampling = Settings(Sampling(max_tokens=300))
    with begun(Record(None), method, [question]) as record:
        await evaluate(Engine(model, sampling, record), method, [question])
        assert not any(member.error for member in record.members(0).values())
        assert record.query("SELECT t, min(cut) FROM generations GROUP BY t") == [(1, 0), (2, 4)]


async def test_a_question_beyond_the_context_is_refused_before_the_first_call() -> None:
    method, model = Single(), Slow(context=256)
    questions = [QUESTIONS[0], replace(QUESTIONS[1], text="word " * 500)]
    refused = pytest.raises(UsageError, match=r"question q1: its prompt takes \d+ tokens, and a context of 256")
    with begun(Record(None), method, questions) as record, refused:
        await evaluate(Engine(model, Settings(), record), method, questions)
    assert model.requests == []


async def test_the_watcher_sees_every_member_fresh_once_then_from_the_record() -> None:
    class PrintedNotes(Callback):
        def __init__(self) -> None:
            self.seen: list[tuple[str, bool]] = []

        def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
            self.seen.append(("generated", fresh))

        def scored(self, question: int, member: Member) -> None:
            self.seen.append(("scored", member.score is not None))

        def finished(self, question: int) -> None:
            self.seen.append(("finished", True))

    method, notes = RSA(n=3, k=2, t=2), PrintedNotes()
    with begun(Record(None), method) as record:
        await evaluate(Engine(Slow(), Settings(), record, callback=notes), method, QUESTIONS)
        assert sorted(set(notes.seen)) == [("finished", True), ("generated", True), ("scored", True)]
        assert len(notes.seen) == 2 * 18 + 3
        again, model = PrintedNotes(), Slow()
        await evaluate(Engine(model, Settings(), record, callback=again), method, QUESTIONS)
        assert (again.seen, model.requests) == ([], [])


def test_paths_stay_open_to_one_writer(tmp_path: Path) -> None:
    with Record(tmp_path / "a.sqlite"), pytest.raises(UsageError, match="in use by another"):
        Record(tmp_path / "a.sqlite")
