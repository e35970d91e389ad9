"""A real Ray cluster: workers killed with -9, a driver killed with -9, and a record as if nothing had happened."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from selfagg.cluster import Cluster, Job, RunSplit, connected
from selfagg.errors import RunStopped
from selfagg.methods import RSA
from selfagg.models import Access, connect
from selfagg.progress import Progress
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Question

ray = pytest.importorskip("ray", reason="ray is not installed")

METHOD = RSA(n=8, k=4, t=4)
QUESTIONS = [Question(f"q{i}", f"What is {i} + {i}?", "text", gold=str(i % 3)) for i in range(15)]
SELFAGG = Path(sys.executable).with_name("selfagg")


class CountingServer:
    """An OpenAI-compatible server that answers after 50 ms by the seed alone, and keeps the seed of every call."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.url = ""
        self.refuses = False

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[CountingServer]:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "tiny", "max_model_len": 8192}]})

    async def _chat(self, request: web.Request) -> web.Response:
        if self.refuses or request.headers["Authorization"] != "Bearer sesame":
            return web.json_response({"error": {"message": "wrong key"}}, status=401)
        seed = (await request.json())["seed"]
        self.seeds.append(seed)
        await asyncio.sleep(0.05)
        message = {"role": "assistant", "content": f"<answer>{seed % 3}</answer>"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": usage})


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster in a folder with a short path, as Ray's sockets want one."""
    tmp_path_factory.getbasetemp()  # settled before the folder for temporary files is another one
    with (
        tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        with connected("local", "openai:tiny", 2) as cluster:
            yield cluster


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CountingServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    async with CountingServer().serving() as counting:
        yield counting


def job(url: str) -> Job:
    access = Access((url,), concurrency=8, api_key="sesame")
    return Job("openai:tiny", access, METHOD, Settings(), "test")


def begun(path: Path) -> Record:
    record = Record(path)
    record.begin(configuration(METHOD, "openai:tiny", Settings(), "test"), QUESTIONS)
    return record


def content(record: Record) -> list[Any]:
    """What a run came to: everything but the times."""
    columns = "question, role, t, i, parents, prompt, cut, seed, text, error, completion_tokens"
    return [
        record.query(f"SELECT {columns} FROM generations ORDER BY question, t, i, role"),
        record.query("SELECT question, t, i, answer, score, same FROM scores ORDER BY question, t, i"),
        record.query("SELECT id, body, weights FROM questions ORDER BY position"),
    ]


async def alone(url: str, path: Path) -> list[Any]:
    """The same run in one process."""
    with begun(path) as record:
        async with connect("openai:tiny", Access((url,))) as model:
            await evaluate(Engine(model, Settings(), record), METHOD, QUESTIONS)
        return content(record)


def bought(*files: Path) -> set[int]:
    """Seeds of all replies in these records, whose writers may be dead."""
    seeds: set[int] = set()
    for file in files:
        with sqlite3.connect(file) as database:
            seeds |= {seed for (seed,) in database.execute("SELECT seed FROM generations WHERE error IS NULL")}
    return seeds


def killed(process: int) -> None:
    """Kills a process and waits until it is no more."""
    os.kill(process, signal.SIGKILL)
    with suppress(FileNotFoundError, ProcessLookupError):
        while " Z " not in Path(f"/proc/{process}/stat").read_text():
            time.sleep(0.01)


async def test_workers_killed_in_the_middle_cost_nothing_that_was_finished(
    cluster: Cluster, server: CountingServer, tmp_path: Path
) -> None:
    progress, told = Progress([8] * 4, len(QUESTIONS)), list[str]()
    with begun(tmp_path / "run.sqlite") as record:
        async with RunSplit(cluster, job(server.url), QUESTIONS, progress, told.append) as split:
            facts = await split.first()
            assert (facts.context, facts.concurrency) == (8192, 4)
            work = asyncio.ensure_future(split.evaluate(record))
            for calls in (80, 240):
                while len(server.seeds) < calls:
                    await asyncio.sleep(0.01)
                    assert not work.done()
                victim = next(hand for hand in split._hands if hand.facts)
                life = victim.facts
                assert life
                await asyncio.to_thread(killed, life.process)
                mark, held = len(server.seeds), bought(tmp_path / "run.sqlite")
                assert held
                while victim.facts is life:
                    await asyncio.sleep(0.05)
                    assert not work.done()
                assert not held & set(server.seeds[mark:])
            await work
        assert sum("died; Ray starts another one" in words for words in told) == 2, told
        assert (progress.done, progress.finished_questions, progress.failures) == (480, 15, 0)
        assert content(record) == await alone(server.url, tmp_path / "alone.sqlite")


async def test_a_model_that_refuses_everybody_stops_the_run(
    cluster: Cluster, server: CountingServer, tmp_path: Path
) -> None:
    with begun(tmp_path / "run.sqlite") as record:
        async with RunSplit(cluster, job(server.url), QUESTIONS, Progress([8] * 4, 15), print) as split:
            await split.first()
            server.refuses = True
            with pytest.raises(RunStopped, match="key") as stopped:
                await split.evaluate(record)
            assert stopped.value.fatal


@pytest.fixture
def background_server() -> Iterator[CountingServer]:
    """The same, in a thread: these tests wait for processes."""
    server, over = CountingServer(), threading.Event()

    async def serve() -> None:
        async with server.serving():
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    while not server.url:
        time.sleep(0.01)
    yield server
    over.set()
    thread.join()


def test_a_killed_driver_is_run_again_for_the_rest(
    cluster: Cluster, background_server: CountingServer, tmp_path: Path
) -> None:
    server, record = background_server, tmp_path / "run.sqlite"
    rows = [{"question": question.text, "answer": question.gold} for question in QUESTIONS[:6]]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [str(SELFAGG), "eval", "questions.jsonl", "-n", "8", "-k", "4", "-t", "4", "--model", "openai:tiny"]
    command += ["--base-url", server.url, "--concurrency", "6", "--record", str(record), "--json"]
    command += ["--ray", ray.get_runtime_context().gcs_address, "--workers", "1"]
    environment = os.environ | {"OPENAI_API_KEY": "sesame"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    while len(server.seeds) < 60:
        time.sleep(0.05)
        assert process.poll() is None
    process.kill()
    process.wait()
    calls = -1
    while calls != len(server.seeds):  # Ray ends the workers a little later
        calls = len(server.seeds)
        time.sleep(1)
    held = bought(record)
    assert 30 < len(held) < 192
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert "sesame" not in again.stderr
    summary = json.loads(again.stdout)
    assert (summary["calls"], summary["questions"], summary["failures"]) == (192, 6, 0)
    assert not held & set(server.seeds[calls:])
    assert len(bought(record)) == 192
