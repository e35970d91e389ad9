"""A worker without Ray: what it is asked for, and what it sends."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import pytest

from selfagg import __version__
from selfagg.cluster.connection import gpus_of
from selfagg.cluster.folder import forget, leftovers, run_folder
from selfagg.cluster.job import Gone, Job, News
from selfagg.cluster.worker import Worker
from selfagg.errors import UsageError
from selfagg.methods import RSA
from selfagg.models import Access
from selfagg.record.merge import Part
from selfagg.record.rows import question_body
from selfagg.run.engine import Settings
from selfagg.types import Question

QUESTION = Question("q", "Simulated question?", "text", gold="right")
ALONE = Part(7, "q", question_body(QUESTION))


def job(model: str = "simulated:", **changed: Any) -> Job:
    return dataclasses.replace(
        Job(model, Access(), RSA(n=4, k=2, t=3), Settings(), "test", "free", __version__), **changed
    )


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


async def test_a_question_comes_back_whole_and_its_news_before() -> None:
    worker = Worker(job("simulated:speed=4000,cv=0"))
    facts = await worker.ready()
    assert (facts.model, facts.concurrency) == ("simulated:speed=4000,cv=0", 256)
    assert await worker.news(News()) == News()
    at_work = asyncio.ensure_future(worker.answer("run", ALONE))
    news = News()
    while not news.parts:
        await asyncio.sleep(0.02)
        news = await worker.news(news)
    assert not at_work.done()
    assert {row[0] for row in news.parts[0].generations} == {7}
    part = await at_work
    assert isinstance(part, Part)
    assert (len(part.generations), len(part.scores), part.weights) == (12, 12, "[0.25, 0.25, 0.25, 0.25]")
    rest = await worker.news(news)
    assert len(news.parts[0].generations) + len(rest.parts[0].generations) == 12
    assert (await worker.news(rest)).parts == ()


async def test_what_is_known_is_not_asked_for_again() -> None:
    first = await Worker(job()).answer("run", ALONE)
    assert isinstance(first, Part)
    known = dataclasses.replace(ALONE, generations=first.generations[:9])
    again = await Worker(job("simulated:p=0,rescue=0,keep=0")).answer("other run", known)
    assert isinstance(again, Part)
    assert again.generations[:9] == first.generations[:9]
    assert len(again.generations) == 12


async def test_asked_twice_at_once_it_works_once() -> None:
    worker = Worker(job("simulated:speed=4000"))
    one, two = await asyncio.gather(worker.answer("run", ALONE), worker.answer("run", ALONE))
    assert one == two
    assert isinstance(one, Part)
    assert len(one.generations) == 12


async def test_a_model_that_is_gone_is_said_to_be() -> None:
    worker = Worker(job("simulated:fail=1", method=RSA(n=32, k=2, t=2)))
    gone = await worker.answer("run", ALONE)
    assert isinstance(gone, Gone)
    assert "16 calls in a row failed" in gone.why
    assert not gone.fatal


async def test_a_question_that_does_not_fit_is_found_before_a_call() -> None:
    worker = Worker(job("simulated:context=64"))
    with pytest.raises(UsageError, match="q"):
        await worker.check([dataclasses.replace(QUESTION, text="long " * 1000)])
    await worker.check([QUESTION])


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
    assert "sesame" not in repr(job(key="sesame"))


async def test_leftovers_are_those_of_workers_that_ended() -> None:
    worker = Worker(job())
    part = await worker.answer("run", ALONE)
    assert isinstance(part, Part)
    assert leftovers("run", set()).busy == 1
    assert worker._work
    worker._work[1].close()
    found = leftovers("run", set())
    assert (found.busy, [dataclasses.replace(left, body="") for left in found.parts]) == (0, [part])
    assert leftovers("run", {7}).parts == ()
    forget(found.files)
    assert leftovers("run", set()).files == ()


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    folder = run_folder("run")
    assert folder.parent.stat().st_mode & 0o077 == 0
    folder.parent.chmod(0o777)
    with pytest.raises(UsageError, match="not a private folder"):
        run_folder("run")
