"""A model that is gone: the run waits for it, goes on when it is back, and stops with a sentence when it is not."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from selfagg.engine import breaker
from selfagg.engine.breaker import FAILURES_IN_A_ROW, RunStopped
from selfagg.engine.configuration import configuration
from selfagg.engine.engine import Engine, Settings, Watcher
from selfagg.engine.record import Record
from selfagg.engine.run import evaluate
from selfagg.errors import ModelError
from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.types import Question, Reply, Request

QUESTIONS = [Question(f"q{i}", f"Simulated question {i}?", gold="1") for i in range(12)]
METHOD = RSA(n=8, k=2, t=3)
CALLS = len(QUESTIONS) * METHOD.calls


class Leaving(SimulatedModel):
    """A simulated model that is gone from its 101st call on.

    Args:
        for_s: How long.
        after: Calls that it answers before.
    """

    def __init__(
        self, for_s: float = math.inf, *, after: int = 100, status: int | None = 503, fatal: bool = False
    ) -> None:
        super().__init__(Simulation())
        self.for_s, self.after, self.status, self.fatal = for_s, after, status, fatal
        self.left_at = math.inf
        self.calls = 0
        self.begun: list[float] = []

    async def sample(self, request: Request) -> Reply:
        self.calls += 1
        number, now = self.calls, time.monotonic()
        self.begun.append(now)
        await asyncio.sleep(0.001)
        if number > self.after:
            self.left_at = min(self.left_at, now)
            if now < self.left_at + self.for_s:
                raise ModelError("cannot connect", status=self.status, fatal=self.fatal)
        return await super().sample(request)


class Told(Watcher):
    """What a view is told of the model's absence."""

    def __init__(self) -> None:
        self.words: list[str | None] = []

    def waiting(self, why: str | None) -> None:
        self.words.append(why)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE_S", 0.01)


async def outcome(model: SimulatedModel, record: Record, *, patience_s: float = 30.0) -> list[str | None]:
    told = Told()
    record.begin(configuration(METHOD, "simulated:", Settings(), "test"), QUESTIONS)
    engine = Engine(model, Settings(), record, concurrency=40, watcher=told, patience_s=patience_s)
    try:
        await evaluate(engine, METHOD, QUESTIONS)
    finally:
        told.words.append("over")
    return told.words


def failures(record: Record) -> int:
    """Calls that failed: not the members that had no parent to show."""
    ((count,),) = record.query("SELECT count(*) FROM generations WHERE error = 'cannot connect'")
    return int(count)


async def test_a_model_that_comes_back_is_waited_for_and_takes_few_members_with_it() -> None:
    model = Leaving(for_s=0.3)
    with Record(None) as record:
        words = await outcome(model, record)
        assert words == ["16 calls in a row failed; the last: cannot connect", None, "over"]
        assert record.query("SELECT count(*) FROM generations") == [(CALLS,)]
        # 40 calls were in flight as it left. Those after the 15th were made again, as were all but the few that were
        # tried after the pauses; what was in flight and worked may have come between the first ones.
        assert FAILURES_IN_A_ROW - 1 <= failures(record) <= 2 * FAILURES_IN_A_ROW
    away = [moment for moment in model.begun if model.left_at + 0.05 < moment < model.left_at + 0.3]
    assert 1 <= len(away) <= 6  # pauses of 10, 20, 40, 80, 160 ms


async def test_patience_ends() -> None:
    model = Leaving()
    with Record(None) as record:
        with pytest.raises(RunStopped, match=r"^the model did not come back within 0.5 s; the last: cannot connect$"):
            await outcome(model, record, patience_s=0.5)
        kept = record.query("SELECT count(*) FROM generations WHERE error IS NULL")[0][0]
        assert kept >= 60
        again = Leaving(after=CALLS)
        await outcome(again, record)
        assert (failures(record), again.calls) == (0, CALLS - kept)


async def test_a_model_that_never_answered_is_not_waited_for() -> None:
    model = Leaving(after=0)
    with Record(None) as record:
        with pytest.raises(RunStopped, match=r"^16 calls in a row failed; the last: cannot connect$"):
            await outcome(model, record)
        assert failures(record) <= 16
    assert model.calls <= 16 + 40


@pytest.mark.parametrize(
    ("status", "fatal", "said"), [(400, False, "16 calls in a row failed; the last"), (401, True, "^cannot connect$")]
)
async def test_what_is_refused_is_not_waited_for(status: int, fatal: bool, said: str) -> None:
    model = Leaving(status=status, fatal=fatal)
    with Record(None) as record, pytest.raises(RunStopped, match=said) as stopped:
        await outcome(model, record)
    assert stopped.value.fatal == fatal


async def test_who_cannot_wait_hears_of_it_at_once() -> None:
    with Record(None) as record, pytest.raises(RunStopped, match="16 calls in a row failed"):
        await outcome(Leaving(), record, patience_s=0.0)


async def test_failures_now_and_then_open_nothing() -> None:
    with Record(None) as record:
        assert await outcome(SimulatedModel(Simulation(fail=0.3)), record) == ["over"]
        ((failed,),) = record.query("SELECT count(*) FROM generations WHERE error = 'simulated failure'")
        assert failed > 2 * FAILURES_IN_A_ROW


async def test_a_question_that_takes_the_server_down_does_not_hold_the_others() -> None:
    """Each try after a pause is a call of another member, and what fails then is a failed member."""

    class Poisoned(SimulatedModel):
        async def sample(self, request: Request) -> Reply:
            await asyncio.sleep(0)
            if request.question.id == "q3":
                raise ModelError("internal error", status=500)
            return await super().sample(request)

    with Record(None) as record:
        await outcome(Poisoned(Simulation()), record)
        assert record.query("SELECT DISTINCT question FROM generations WHERE error IS NOT NULL") == [(3,)]
        assert record.query("SELECT count(*) FROM generations") == [(CALLS,)]
