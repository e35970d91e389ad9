"""A real HTTP server that fails in every way there is: a run of 100 questions completes, and nothing goes unsaid."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from openai_faults import FAULTS, FaultServer

from selfagg.analysis.summary import Summary, summarise
from selfagg.errors import RunStopped
from selfagg.methods import RSA
from selfagg.models.openai import OpenAIModel, client
from selfagg.models.pace import RetryPolicy
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Member, Question

SEEDS = list(map(int, os.environ.get("SELFAGG_SEEDS", "1").split(",")))
"""Which calls fail; others by SELFAGG_SEEDS=2,3."""

METHOD = RSA(n=2, k=2, t=2)
QUESTIONS = [Question(f"q{i}", f"{i}?", gold="four" if i % 2 else "five") for i in range(100)]
CALLS = len(QUESTIONS) * METHOD.calls

LOST = {"wrong model": 0.1, "context error": 0.05}
"""Kinds that no second try can mend, and the least share of calls that they end; the others are tried again."""

SAYS = {
    "429": "answered 429: slow down",
    "429 with Retry-After": "answered 429: slow down",
    "500": "answered 500: internal error",
    "503": "answered 503: overloaded",
    "reset": "was lost",
    "hang": "gave no answer within",
    "half a reply": "was lost",
    "no HTTP": "was lost",
    "malformed JSON": "sent an answer that is not JSON",
    "JSON of another kind": "without a reply in it",
    "wrong model": "answered 404: the model `fake` does not exist",
    "huge reply": "an answer of more than",
    "huge error": "an answer of more than",
    "context error": "answered 400: too long",
}


@pytest.fixture(autouse=True)
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would take long is made small: the largest reply that is read."""
    monkeypatch.setattr(client, "LARGEST_REPLY", 2 * 2**20)


@asynccontextmanager
async def connected(
    server: FaultServer, *, timeout_s: float = 30.0, patience_s: float = 300.0
) -> AsyncIterator[OpenAIModel]:
    retries = RetryPolicy(tries=3, first_s=0.01, longest_s=0.02, patience_s=patience_s)
    async with OpenAIModel("fake", base_urls=[server.url], timeout_s=timeout_s, retries=retries) as model:
        yield model


async def run(model: OpenAIModel, record: Record, callback: Callback | None = None) -> Summary:
    record.begin(configuration(METHOD, model.name, Settings(), "test"), QUESTIONS)
    await evaluate(Engine(model, Settings(), record, concurrency=32, callback=callback), METHOD, QUESTIONS)
    return summarise(record)


def timeout_s(kind: str) -> float:
    """Long, so that a busy machine is no fault, but where it is waited for."""
    return 2.0 if kind == "hang" else 30.0


def check_whole(record: Record, summary: Summary) -> None:
    """Every member is there, with a reply or with what it failed of, and the summary counts them all."""
    ((members, failed, skipped),) = record.query(
        "SELECT count(*), count(error), count(*) FILTER (WHERE error = 'none of its parents has a reply') "
        "FROM generations"
    )
    assert members == CALLS
    assert (summary.failures, summary.skipped, summary.calls) == (failed, skipped, members - skipped)
    assert record.query("SELECT count(*) FROM questions WHERE weights IS NULL") == [(0,)]
    assert record.query("SELECT count(*) FROM scores") == [(CALLS,)]
    for position in range(len(QUESTIONS)):
        found = record.members(position).values()
        assert {(member.t, member.i) for member in found} == {(t, i) for t in (1, 2) for i in (0, 1)}
        assert all((member.reply is None) != (member.error is None) for member in found)


@pytest.mark.parametrize("seed", SEEDS[:1])
@pytest.mark.parametrize("kind", FAULTS)
async def test_a_run_completes_against_a_server_that_fails_in_one_way(kind: str, seed: int) -> None:
    async with (
        FaultServer(rate=0.1, kinds=[FAULTS[kind]], seed=seed) as server,
        connected(server, timeout_s=timeout_s(kind)) as model,
    ):
        with Record(None) as record:
            summary = await run(model, record)
            check_whole(record, summary)
            ((tries,),) = record.query("SELECT sum(tries) FROM generations")
            empty = sum(population.unanswered for population in summary.populations) - summary.failures
    faults = server.calls * 0.1
    if kind in LOST:
        assert LOST[kind] * 0.6 * CALLS < summary.failures < 1.4 * faults
    elif kind.endswith("content"):
        assert summary.failures == 0
        assert 0.6 * faults < empty < 1.4 * faults
    else:
        assert summary.failures - summary.skipped < 0.01 * CALLS  # three faults in a row
        assert tries > 1.06 * CALLS
        assert tries < 1.16 * CALLS or kind == "hang"  # a busy machine may take longer than the timeout
    if kind not in ("context error", "hang"):  # the one is answered by a shorter prompt, within one try
        assert tries == server.calls
    if summary.failures:
        assert summary.last_failure is not None
        assert SAYS[kind] in summary.last_failure


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_run_completes_against_a_server_that_fails_in_every_way(seed: int) -> None:
    async with FaultServer(rate=0.1, seed=seed) as server, connected(server, timeout_s=2.0) as model:
        with Record(None) as record:
            summary = await run(model, record)
            check_whole(record, summary)
            assert 0 < summary.failures < 0.05 * CALLS
            failures = record.query("SELECT count(DISTINCT error) FROM generations")
            assert failures != [(0,)]


@pytest.mark.parametrize("kind", SAYS)
async def test_of_a_server_that_only_fails_the_run_says_why_and_stops(kind: str) -> None:
    async with (
        FaultServer(rate=1.0, kinds=[FAULTS[kind]]) as server,
        connected(server, timeout_s=0.5 if kind == "hang" else 30.0, patience_s=0.2) as model,
    ):
        with Record(None) as record, pytest.raises(RunStopped) as stopped:
            await run(model, record)
        assert SAYS[kind] in str(stopped.value)
        if not kind.startswith(("429", "503")):  # those stop the run as soon as patience ends
            assert str(stopped.value).startswith("16 calls in a row failed; the last: ")
        assert server.calls <= (16 + 32) * 6


@pytest.mark.parametrize("kind", ["503", "429", "500", "reset", "no HTTP"])
async def test_an_outage_in_the_middle_takes_no_member_with_it(kind: str) -> None:
    """The run waits while the server fails, and says so; then every call is answered."""
    async with FaultServer(kinds=[FAULTS[kind]]) as server, connected(server) as model:

        class Outage(Callback):
            """Takes the server down after 100 generations, until it was asked 60 times in vain."""

            generations = 0

            def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
                self.generations += 1
                if self.generations == 100:
                    server.rate, server.until = 1.0, server.calls + 60

        callback = Outage()
        with Record(None) as record:
            summary = await run(model, record, callback)
            check_whole(record, summary)
        assert (summary.failures, callback.generations) == (0, CALLS)
        assert server.calls >= CALLS + 60


async def test_what_a_stopped_run_has_is_not_asked_again(tmp_path: Path) -> None:
    async with FaultServer(kinds=[FAULTS["503"]]) as server, connected(server, patience_s=0.2) as model:

        class Down(Callback):
            """Takes the server down for good after 100 generations."""

            generations = 0

            def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
                self.generations += 1
                if self.generations == 100:
                    server.rate = 1.0

        with Record(tmp_path / "run.sqlite") as record:
            with pytest.raises(RunStopped, match=r"503: overloaded \(no answer for 0.2 s\)$"):
                await run(model, record, Down())
            assert record.query("SELECT count(*) FROM generations WHERE error IS NOT NULL") == [(0,)]
            ((kept,),) = record.query("SELECT count(*) FROM generations")
        server.rate, asked = 0.0, server.calls
        with Record(tmp_path / "run.sqlite") as again:
            check_whole(again, await run(model, again))
        assert (kept >= 100, server.calls - asked) == (True, CALLS - kept)
