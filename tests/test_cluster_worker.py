"""A worker without Ray: what it is asked for, and what it sends."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

from selfagg.cluster import Job, Worker, gpus_of
from selfagg.errors import RunStopped, UsageError
from selfagg.methods import RSA
from selfagg.models import Access
from selfagg.record.merge import Part
from selfagg.record.rows import question_body
from selfagg.run.engine import Settings
from selfagg.types import Question

QUESTION = Question("q", "Simulated question?", "text", gold="right")
ALONE = Part(7, "q", question_body(QUESTION))


def job(model: str = "simulated:", **changed: Any) -> Job:
    return dataclasses.replace(Job(model, Access(), RSA(n=4, k=2, t=3), Settings(), "test"), **changed)


async def sent(news: AsyncIterator[tuple[Part, str | None]]) -> list[Part]:
    return [part async for part, _ in news]


async def test_a_question_comes_in_pieces_and_then_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfagg.cluster.NEWS_EVERY_S", 0.001)
    worker = Worker(job("simulated:speed=4000,cv=0"))
    facts = await worker.ready()
    assert (facts.model, facts.concurrency) == ("simulated:speed=4000,cv=0", 256)
    *pieces, whole = await sent(worker.answer(ALONE))
    assert len(pieces) > 1
    assert sum(bool(piece.generations) for piece in pieces) > 1
    sent_before = [row for piece in pieces for row in piece.generations]
    assert 4 <= len(sent_before) <= 12
    assert set(sent_before) <= set(whole.generations)
    assert len(set(sent_before)) == len(sent_before)
    assert {row[0] for row in whole.generations} == {7}
    assert (len(whole.generations), len(whole.scores), whole.weights) == (12, 12, "[0.25, 0.25, 0.25, 0.25]")


async def test_what_is_known_is_not_asked_for_again() -> None:
    first = (await sent(Worker(job()).answer(ALONE)))[-1]
    known = dataclasses.replace(ALONE, generations=first.generations[:9])
    *_, again = await sent(Worker(job("simulated:p=0,rescue=0,keep=0")).answer(known))
    assert again.generations[:9] == first.generations[:9]
    assert len(again.generations) == 12


async def test_a_question_that_is_done_takes_no_memory() -> None:
    worker = Worker(job())
    await sent(worker.answer(ALONE))
    assert worker._record.query("SELECT count(*) FROM generations") == [(0,)]


async def test_asked_twice_at_once_it_works_once() -> None:
    worker = Worker(job("simulated:speed=4000"))
    one, two = await asyncio.gather(sent(worker.answer(ALONE)), sent(worker.answer(ALONE)))
    assert one[-1] == two[-1]
    assert len(one[-1].generations) == 12


async def test_a_model_that_is_gone_is_said_to_be() -> None:
    worker = Worker(job("simulated:fail=1", method=RSA(n=32, k=2, t=2)))
    with pytest.raises(RunStopped, match="16 calls in a row failed") as stopped:
        await sent(worker.answer(ALONE))
    assert not stopped.value.fatal


async def test_a_question_that_does_not_fit_is_found_before_a_call() -> None:
    worker = Worker(job("simulated:context=64"))
    with pytest.raises(UsageError, match="q"):
        await worker.ready([dataclasses.replace(QUESTION, text="long " * 1000)])
    await worker.ready([QUESTION])


@pytest.mark.parametrize(
    ("model", "gpus"),
    [
        ("openai:tiny", 0),
        ("local", 0),
        ("hf:folder", 1),
        ("vllm:owner/name", 1),
        ("vllm:owner/name,tensor_parallel_size=2,data_parallel_size=4,dtype=bfloat16", 8),
    ],
)
def test_a_worker_gets_the_gpus_that_its_model_takes(model: str, gpus: int) -> None:
    assert gpus_of(model) == gpus


def test_another_version_is_refused() -> None:
    with pytest.raises(UsageError, match=r"selfagg 0\.0\.0 started this run"):
        Worker(job(version="0.0.0"))


def test_a_key_stands_in_no_description() -> None:
    assert "sesame" not in repr(job(access=Access(api_key="sesame")))
