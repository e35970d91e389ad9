"""Calls to simulated servers with limits and outages, on a virtual clock: nothing is lost, little is asked in vain."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import async_solipsism  # type: ignore[import-untyped]
import pytest

from selfagg.errors import ModelError
from selfagg.models.limiter import Limiter, seconds
from selfagg.models.pace import Pace, RetryPolicy, TransientError

T = TypeVar("T")
Rule = Callable[["Simulated", float], Exception | None]
PATIENT = RetryPolicy()


def virtually(work: Coroutine[Any, Any, T]) -> T:
    """Runs on a clock that jumps to the next event."""
    random.seed(5)
    with asyncio.Runner(loop_factory=async_solipsism.EventLoop) as runner:
        return runner.run(work)


class Simulated:
    """A server that is simulated: ``rule`` says at each call whether it is refused.

    Attributes:
        calls: Calls so far.
        answered: Those that were answered.
        busy: Those at work.
        ended: When the last one was answered.
    """

    def __init__(self, rule: Rule, policy: RetryPolicy = PATIENT, *, longest_s: float = 5.0) -> None:
        self.rule, self.pace, self.longest_s = rule, Pace(policy), longest_s
        self.calls = self.answered = self.busy = 0
        self.ended = 0.0
        self._chance = random.Random(1)

    async def ask(self) -> int:
        self.calls += 1
        error = self.rule(self, asyncio.get_running_loop().time())
        if error:
            await asyncio.sleep(0.02)
            raise error
        self.busy += 1
        try:
            await asyncio.sleep(self._chance.uniform(0.2, 1.0) * self.longest_s)
        finally:
            self.busy -= 1
        self.answered += 1
        self.ended = asyncio.get_running_loop().time()
        return self.answered


class Told:
    """Somebody who is told of waits."""

    def __init__(self) -> None:
        self.words: list[str | None] = []

    def waiting(self, why: str | None) -> None:
        self.words.append(why)


async def run(
    *servers: Simulated, members: int = 32, at_once: int = 256, policy: RetryPolicy = PATIENT, told: Told | None = None
) -> list[ModelError]:
    """Makes so many calls; returns those that failed."""
    limiter: Limiter[Simulated] = Limiter(policy, servers)
    places = asyncio.Semaphore(at_once)
    failed: list[ModelError] = []
    if told:
        limiter.listeners.add(told)

    async def member() -> None:
        async with places:
            try:
                await limiter.run(Simulated.ask)
            except ModelError as error:
                failed.append(error)

    await asyncio.gather(*(member() for _ in range(members)))
    return failed


def in_flight(most: int) -> Rule:
    """A limit on the calls at once."""
    return lambda server, now: TransientError("too many at once", status=429) if server.busy >= most else None


def a_minute(most: int) -> Rule:
    """A limit on the calls in each minute by the clock; refused calls count too."""
    used = {"minute": -1, "calls": 0}

    def rule(server: Simulated, now: float) -> Exception | None:
        if now // 60 != used["minute"]:
            used.update(minute=int(now // 60), calls=0)
        used["calls"] += 1
        return TransientError(f"{most} requests a minute", status=429) if used["calls"] > most else None

    return rule


def tokens_a_minute(most: float) -> Rule:
    """A bucket of tokens that fills evenly; each call takes 500 to 3,000."""
    bucket, chance = {"at": 0.0, "tokens": most}, random.Random(2)

    def rule(server: Simulated, now: float) -> Exception | None:
        tokens = min(most, bucket["tokens"] + (now - bucket["at"]) * most / 60)
        cost = chance.uniform(500, 3_000)
        fits = cost <= tokens
        bucket.update(at=now, tokens=tokens - cost * fits)
        return None if fits else TransientError("tokens a minute", status=429)

    return rule


def outage(begin: float, end: float, **kind: Any) -> Rule:
    """Nothing but this failure for a time."""
    return lambda server, now: TransientError("outage", **kind) if begin <= now < end else None


@pytest.mark.parametrize(("most", "wasted"), [(1, 40), (2, 40), (8, 30)])
def test_calls_at_once_converge_to_the_servers_limit(most: int, wasted: int) -> None:
    server = Simulated(in_flight(most))
    assert virtually(run(server)) == []
    assert server.answered == 32
    assert server.calls - 32 <= wasted  # 32 less the limit in the first burst, and a few that look for more room
    assert abs(server.pace.limit - most) <= 1


def test_the_limit_is_used() -> None:
    server = Simulated(in_flight(8))
    assert virtually(run(server, members=1000)) == []
    assert server.calls <= 1000 + 248 + 20
    assert server.ended <= 1.1 * 1000 * 3.0 / 8


def test_a_limit_that_grows_is_found() -> None:
    server = Simulated(lambda server, now: in_flight(8 if now < 60 else 64)(server, now))
    assert virtually(run(server, members=2000)) == []
    assert server.pace.limit > 32
    assert server.ended < 300  # 750 at eight calls at once


def test_a_limit_that_shrinks_is_kept() -> None:
    server = Simulated(lambda server, now: in_flight(64 if now < 20 else 4)(server, now))
    assert virtually(run(server, members=600)) == []
    assert server.pace.limit <= 5
    assert server.calls <= 600 + 192 + 64 + 40


@pytest.mark.parametrize("longest_s", [0.02, 5.0, 300.0])
def test_twenty_requests_a_minute_without_a_hint(longest_s: float) -> None:
    server = Simulated(a_minute(20), longest_s=longest_s)
    assert virtually(run(server)) == []
    assert server.calls <= 32 + 12 + 24
    assert server.ended <= 180 + 1.2 * longest_s


def test_a_rate_is_kept_for_long() -> None:
    server = Simulated(a_minute(20))
    assert virtually(run(server, members=200, at_once=32)) == []
    assert server.ended < 1.35 * 600
    assert server.calls <= 1.7 * 200


def test_tokens_a_minute() -> None:
    server = Simulated(tokens_a_minute(6_000))
    assert virtually(run(server, members=60)) == []
    assert server.ended < 1.2 * 60 * 1_750 / 100


@pytest.mark.parametrize(
    "kind",
    [
        {"status": 503},
        {"status": 429},
        {"status": 429, "wait_s": 0.0},
        {"status": 500},
        {"status": None},
        {"status": 502},
        {"status": 503, "unreachable": True},
    ],
)
@pytest.mark.parametrize("at_once", [2, 16, 64])
def test_an_outage_of_two_minutes_takes_nobody_with_it(kind: dict[str, Any], at_once: int) -> None:
    server, told = Simulated(outage(3, 123, **kind)), Told()
    members = 20 + 4 * at_once
    assert virtually(run(server, members=members, at_once=at_once, told=told)) == []
    assert server.calls - members <= at_once + 32
    assert server.ended < 340
    assert told.words[-1] is None
    assert told.words[0]
    assert told.words[0].startswith("waiting ")


def test_a_server_that_loads_at_first_is_waited_for() -> None:
    server = Simulated(outage(0, 120, status=503))
    assert virtually(run(server, members=2)) == []


def test_a_named_wait_is_kept_and_told_at_once() -> None:
    server, told = Simulated(outage(0, 42, status=429, wait_s=42.0)), Told()
    assert virtually(run(server, members=2, told=told)) == []
    assert server.calls == 4
    assert told.words[0] in ("waiting 43 s: outage", "waiting 42 s: outage")


def test_a_wait_beyond_patience_ends_at_once_for_all() -> None:
    server = Simulated(outage(3, math.inf, status=429, wait_s=3000.0))
    failed = virtually(run(server, members=100, at_once=16))
    assert str(failed[0]).startswith("outage (it asks to wait 3000 s (50 min), more than the patience of 300 s, which ")
    assert all(error.gone for error in failed)
    assert (len(failed) + server.answered, server.ended < 10) == (100, True)
    assert failed[0].wait_s >= 3000
    assert server.calls <= server.answered + 16


def test_more_patience_waits_for_it() -> None:
    policy = RetryPolicy(patience_s=3600.0)
    server = Simulated(outage(3, 3003, status=429, wait_s=3000.0), policy)
    assert virtually(run(server, members=100, at_once=16, policy=policy)) == []
    assert server.calls <= 100 + 16


def test_refusals_for_ever_end_with_patience() -> None:
    told = Told()

    async def work() -> tuple[list[ModelError], float]:
        return await run(Simulated(outage(0, math.inf, status=429)), told=told), asyncio.get_running_loop().time()

    failed, ended = virtually(work())
    assert {str(error) for error in failed} == {"outage (no answer for 300 s)"}
    assert all(error.gone for error in failed)
    assert 299 <= ended <= 301
    assert told.words[-1] is None


def test_a_server_that_only_ever_failed_is_given_up_soon() -> None:
    async def work() -> tuple[list[ModelError], float]:
        return await run(Simulated(outage(0, math.inf, status=500))), asyncio.get_running_loop().time()

    failed, ended = virtually(work())
    assert {str(error) for error in failed} == {"outage (given up after 6 tries)"}
    assert not any(error.gone for error in failed)
    assert ended < 100


def test_a_call_that_fails_among_others_ends_after_its_tries() -> None:
    server = Simulated(lambda server, now: None)

    async def work() -> ModelError:
        limiter: Limiter[Simulated] = Limiter(PATIENT, [server])
        tries = 0

        async def poisoned(asked: Simulated) -> None:
            nonlocal tries
            tries += 1
            await asyncio.sleep(0.1)
            raise TransientError("poison", status=500)

        others = asyncio.gather(*(limiter.run(Simulated.ask) for _ in range(64)))
        beside = asyncio.create_task(_steady(limiter))
        with pytest.raises(ModelError) as caught:
            await limiter.run(poisoned)
        beside.cancel()
        await others
        assert caught.value.tries == tries
        return caught.value

    error = virtually(work())
    assert str(error) == f"poison (given up after {error.tries} tries)"
    assert 6 <= error.tries <= 12  # those during which the server took no other call are not counted


async def _steady(limiter: Limiter[Simulated]) -> None:
    while True:
        await limiter.run(Simulated.ask)


def test_what_cannot_pass_ends_at_once() -> None:
    server = Simulated(lambda server, now: ModelError("no money", fatal=True))
    (error,) = virtually(run(server, members=1))
    assert (str(error), error.tries, error.fatal, server.calls) == ("no money", 1, True, 1)


def test_a_call_has_its_own_end_where_a_client_waits() -> None:
    policy = RetryPolicy(tries=4, first_s=0.5, longest_s=5.0, patience_s=30.0, overall_s=30.0)

    async def work() -> tuple[list[ModelError], float]:
        server = Simulated(a_minute(4), policy, longest_s=0.1)
        return await run(server, members=100, policy=policy), asyncio.get_running_loop().time()

    failed, ended = virtually(work())
    assert len(failed) > 80
    assert {error.status for error in failed} == {429}
    assert ended <= 36


def test_a_dead_replica_is_avoided_and_found_again() -> None:
    dead = Simulated(outage(3, 200, status=503, unreachable=True))
    alive = Simulated(lambda server, now: None)
    assert virtually(run(dead, alive, members=2000, at_once=16)) == []
    assert dead.calls - dead.answered <= 24
    assert dead.answered > 200


def test_a_limited_replica_does_not_pause_the_other() -> None:
    limited, free = Simulated(in_flight(2)), Simulated(lambda server, now: None)
    told = Told()
    assert virtually(run(limited, free, members=500, at_once=32, told=told)) == []
    assert told.words == []
    assert free.answered > 400
    assert limited.pace.limit <= 4


def test_cancelled_calls_leave_their_places() -> None:
    server = Simulated(in_flight(2))

    async def work() -> None:
        limiter: Limiter[Simulated] = Limiter(PATIENT, [server])
        calls = [asyncio.create_task(limiter.run(Simulated.ask)) for _ in range(40)]
        await asyncio.sleep(7)
        for call in calls[::2]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert not server.pace.flights
        assert all(call.cancelled() or call.result() for call in calls)
        await limiter.run(Simulated.ask)

    virtually(work())


def test_a_call_can_be_cancelled_while_it_waits() -> None:
    server = Simulated(outage(0, math.inf, status=429, wait_s=200.0))

    async def work() -> float:
        limiter: Limiter[Simulated] = Limiter(PATIENT, [server])
        call = asyncio.create_task(limiter.run(Simulated.ask))
        await asyncio.sleep(10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return asyncio.get_running_loop().time()

    assert virtually(work()) == 10.0


def test_event_loops_in_two_threads_share_the_servers() -> None:
    policy = RetryPolicy(first_s=0.01, longest_s=0.02)
    server = Simulated(in_flight(2), policy, longest_s=0.01)
    limiter: Limiter[Simulated] = Limiter(policy, [server])

    async def calls() -> list[tuple[int, int]]:
        return await asyncio.gather(*(limiter.run(Simulated.ask) for _ in range(20)))

    with ThreadPoolExecutor(2) as threads:
        results = [thread.result() for thread in [threads.submit(asyncio.run, calls()) for _ in range(2)]]
    assert [len(result) for result in results] == [20, 20]
    assert (server.answered, server.busy, server.pace.flights) == (40, 0, {})


@pytest.mark.parametrize(
    ("duration", "words"), [(0.2, "1 s"), (40.4, "40 s"), (3000, "3000 s (50 min)"), (1e300, "1e+300 s")]
)
def test_durations_for_people(duration: float, words: str) -> None:
    assert seconds(duration) == words


def test_the_least_busy_server_is_one_that_is_open() -> None:
    async def work() -> None:
        idle, busy, closed = (Simulated(lambda server, now: None) for _ in range(3))
        limiter: Limiter[Simulated] = Limiter(PATIENT, [busy, idle, closed])
        with busy.pace.held(), busy.pace.held(), idle.pace.held():
            closed.pace.closed_until = 5.0
            assert limiter.least_busy() is idle
            idle.pace.closed_until = 3.0
            assert limiter.least_busy() is busy
            await asyncio.sleep(4)
            assert limiter.least_busy() is idle
        assert limiter.limit == math.inf
        idle.pace.limit, busy.pace.limit, closed.pace.limit = 1, 2, 3
        assert limiter.limit == 6

    virtually(work())


@pytest.mark.parametrize(("status", "order"), [(429, ["first", "second"]), (500, ["second", "first"])])
def test_a_refused_call_keeps_its_turn_and_one_that_failed_does_not(status: int, order: list[str]) -> None:
    ended: list[str] = []

    async def work() -> None:
        server = Simulated(lambda server, now: None)
        server.pace.limit = 1
        limiter: Limiter[Simulated] = Limiter(RetryPolicy(first_s=0.0), [server])

        def call(name: str, *, fails: bool) -> Callable[[Simulated], Coroutine[Any, Any, None]]:
            left = [TransientError("once", status=status, wait_s=float(status == 429))] if fails else []

            async def ask(asked: Simulated) -> None:
                await asyncio.sleep(1)
                if left:
                    raise left.pop()
                ended.append(name)

            return ask

        await asyncio.gather(limiter.run(call("first", fails=True)), limiter.run(call("second", fails=False)))

    virtually(work())
    assert ended == order


def test_what_ends_by_time_tells_when_to_come_again() -> None:
    policy = RetryPolicy(patience_s=100.0, overall_s=10.0)
    for kind, gone in (({"status": 429, "wait_s": 50.0}, True), ({"status": 503, "unreachable": True}, True)):
        (failed,) = virtually(run(Simulated(outage(0, math.inf, **kind), policy), members=1, policy=policy))
        assert failed.gone is gone
        assert 0.0 < failed.wait_s <= 51.0
    (failed,) = virtually(
        run(Simulated(outage(0, math.inf, status=429, wait_s=50.0), policy), members=1, policy=policy)
    )
    assert 50.0 <= failed.wait_s <= 51.0


def test_those_who_wait_are_told_when_to_come_again() -> None:
    failed = virtually(run(Simulated(outage(0, math.inf, status=429, wait_s=3000.0)), members=40, at_once=40))
    assert len(failed) == 40
    assert all(error.gone and 3000.0 <= error.wait_s <= 3001.0 for error in failed)


def test_nobody_is_told_of_a_short_wait() -> None:
    told = Told()

    async def work() -> None:
        server = Simulated(outage(0, 0, status=429))
        limiter: Limiter[Simulated] = Limiter(PATIENT, [server])
        limiter.listeners.add(told)
        await asyncio.sleep(100)
        server.rule = outage(0, 101, status=429, wait_s=1.0)
        await limiter.run(Simulated.ask)

    virtually(work())
    assert told.words == []
