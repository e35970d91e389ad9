"""Responses in the background: polled, streamed from any event on, cancelled, deleted, gone on with after a kill."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from aiohttp import web
from backends import connected, tool_call
from openai import AsyncOpenAI
from openai_faults import FaultServer, completion, fine, hang, refuse, send
from serving import serving
from waiting import until

from selfagg.errors import UsageError
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.record import Record
from selfagg.server.settings import ServeSettings

SMALL: Any = {"rsa": {"n": 2, "k": 2, "t": 2}}
DONE = ("completed", "failed", "cancelled", "incomplete")


async def polled(asking: AsyncOpenAI, name: str) -> Any:
    """The response once it is done."""
    while (told := await asking.responses.retrieve(name)).status not in DONE:  # noqa: ASYNC110 - as clients do
        await asyncio.sleep(0.02)
    return told


@asynccontextmanager
async def client(
    *script: Any, settings: ServeSettings | None = None
) -> AsyncIterator[tuple[AsyncOpenAI, FaultServer, Any]]:
    async with (
        FaultServer(*script) as backend,
        serving(connected(backend.url, timeout_s=60), settings) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
    ):
        yield asking, backend, served.service


async def test_the_client_is_answered_at_once_and_polls() -> None:
    async with client() as (asking, backend, service):
        told: Any = await asking.responses.create(
            model="fake", input="2+2?", background=True, metadata={"a": "b"}, extra_body=SMALL
        )
        assert (told.status, told.background, told.output) == ("queued", True, [])
        done = await polled(asking, told.id)
        await until(lambda: service.open_requests == 0 and service.background.open == 0)
        metrics = service.metrics.text().decode()
    assert (done.status, done.output_text, done.metadata) == ("completed", "four", {"a": "b"})
    assert done.usage.selfagg["calls"] == len(backend.bodies) == 3
    assert "selfagg_calls_total 3.0" in metrics
    assert "selfagg_background_open 0.0" in metrics


async def test_a_stream_is_resumed_after_any_event_and_says_the_same() -> None:
    async with client() as (asking, _, _):
        reading = await asking.responses.create(
            model="fake", input="2+2?", background=True, stream=True, extra_body=SMALL
        )
        whole = [event.model_dump() async for event in reading]
        name = whole[0]["response"]["id"]
        assert [event["sequence_number"] for event in whole] == list(range(len(whole)))
        kinds = [event["type"].removeprefix("response.") for event in whole]
        assert kinds[:3] == ["created", "queued", "in_progress"]
        assert kinds[-4:] == ["output_text.done", "content_part.done", "output_item.done", "completed"]
        for after in range(-1, len(whole)):
            rest = await asking.responses.retrieve(name, stream=True, starting_after=after)
            assert [event.model_dump() async for event in rest] == whole[after + 1 :]
        async with asking.responses.stream(response_id=name) as again:
            assert (await again.get_final_response()).output_text == "four"


async def test_a_client_that_hangs_up_ends_nothing() -> None:
    call_queue = asyncio.Event()

    async def slow(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        await call_queue.wait()
        return await fine(request, body)

    async with client(slow, slow) as (asking, backend, _):
        reading = await asking.responses.create(
            model="fake", input="2+2?", background=True, stream=True, extra_body=SMALL
        )
        first = await anext(aiter(reading))
        await until(lambda: backend.open == 2)
        await reading.close()
        call_queue.set()
        assert (await polled(asking, first.response.id)).output_text == "four"  # type: ignore[union-attr]


async def test_cancel_ends_every_call_and_delete_forgets() -> None:
    async with client(hang, hang, hang, hang) as (asking, backend, service):
        told, other = [
            await asking.responses.create(model="fake", input="2+2?", background=True, extra_body=SMALL)
            for _ in range(2)
        ]
        await until(lambda: backend.open == 4)
        reading = await asking.responses.retrieve(told.id, stream=True)
        assert (await asking.responses.cancel(told.id)).status == "cancelled"
        assert (await asking.responses.cancel(told.id)).status == "cancelled"
        await until(lambda: backend.open == 2)
        *_, last = [event async for event in reading]
        assert (last.type, last.response.status) == ("response.incomplete", "cancelled")  # type: ignore[union-attr]
        await asking.responses.delete(other.id)
        await until(lambda: backend.open == 0)
        with pytest.raises(openai.NotFoundError):
            await asking.responses.retrieve(other.id)
        await until(lambda: service.open_requests == 0)


async def test_one_that_is_cancelled_before_it_began_is_cancelled_too() -> None:
    async with serving(SimulatedModel(Simulation())) as served, aiohttp.ClientSession(served.url) as session:
        body = {"model": "simulated:", "input": "what?", "background": True}
        async with session.post("/v1/responses", json=body) as got:
            name = (await got.json())["id"]
        async with session.post(f"/v1/responses/{name}/cancel") as got:
            assert (await got.json())["status"] in DONE


async def test_what_fails_is_told_as_failed() -> None:
    async with client(*[refuse(401, "no")] * 100) as (asking, _, _):
        told = await asking.responses.create(model="fake", input="2+2?", background=True, extra_body=SMALL)
        done = await polled(asking, told.id)
        events = [event async for event in await asking.responses.retrieve(told.id, stream=True)]
    assert done.status == "failed"
    assert done.error.message
    assert events[-1].type == "response.failed"


async def test_a_record_that_cannot_be_written_is_told_and_takes_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(self: Record, work: object) -> None:
        raise UsageError("cannot write record served.sqlite: the disk is full")

    async with client(settings=ServeSettings(record=tmp_path / "served.sqlite")) as (asking, _, service):
        with monkeypatch.context() as patched:
            patched.setattr(Record, "in_turn", full)
            with pytest.raises(openai.InternalServerError) as refusal:
                await asking.responses.create(model="fake", input="2+2?", background=True)
        assert refusal.value.code == "record_error"
        assert "sqlite" not in str(refusal.value)
        await until(lambda: service.open_requests == 0)


async def test_tools_are_called_in_the_background_as_well() -> None:
    tool: Any = {"type": "function", "name": "add", "parameters": {"type": "object"}}
    async with client(send(tool_call())) as (asking, backend, _):
        told = await asking.responses.create(model="fake", input="2+2?", background=True, tools=[tool])
        done = await polled(asking, told.id)
    assert done.output[0].name == "add"
    assert len(backend.bodies) == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [("?stream=true", "background"), ("/cancel", "background"), ("?stream=true&starting_after=x", "")],
)
async def test_what_no_response_can_do_is_refused(tmp_path: Path, query: str, said: str) -> None:
    settings = ServeSettings(record=tmp_path / "served.sqlite", n=2, k=2, t=1)
    async with client(settings=settings) as (asking, _, _), aiohttp.ClientSession() as session:
        told = await asking.responses.create(model="fake", input="2+2?")
        url = f"{asking.base_url}responses/{told.id}{query}"
        async with session.request("POST" if query == "/cancel" else "GET", url) as answer:
            assert answer.status == 400
            assert said in (await answer.json())["error"]["message"]


class CountingBackend:
    """Answers each call after a moment, and knows which seeds it has answered."""

    def __init__(self) -> None:
        self.answered: Counter[int] = Counter()
        self.asked = 0

    async def __call__(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        self.asked += 1
        await asyncio.sleep(0.02 + body["seed"] % 7 / 100)
        response = web.json_response(completion(f"seed {body['seed']}"))
        await response.prepare(request)
        await response.write_eof()
        self.answered[body["seed"]] += 1
        return response


class Process:
    """``selfagg serve`` in a process of its own, which can be killed."""

    def __init__(self, backend: str, record: Path, port: int = 0) -> None:
        command = [sys.executable, "-m", "selfagg", "serve", "--model", "openai:fake", "--base-url", backend]
        environment = os.environ | {"OPENAI_API_KEY": "none"}
        self._process = subprocess.Popen(
            [*command, "--port", str(port), "--record", str(record), "--concurrency", "4"],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._process.stderr
        line = self._process.stderr.readline()
        assert "selfagg serves" in line, line
        self.url = line.split()[-1]
        self.port = int(re.findall(r":(\d+)/", self.url)[0])

    def end(self, with_signal: int) -> None:
        self._process.send_signal(with_signal)
        self._process.communicate(timeout=60)


async def test_kill_9_in_the_middle_of_three_responses_loses_nothing_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    record, counting = tmp_path / "served.sqlite", CountingBackend()
    rsa: Any = {"rsa": {"n": 6, "k": 2, "t": 5, "answer": "majority"}}
    async with FaultServer(*[counting] * 1000) as backend:
        process = await asyncio.to_thread(Process, backend.url, record)
        heard: dict[str, list[dict[str, Any]]] = {}
        async with AsyncOpenAI(base_url=process.url, api_key="none", max_retries=0) as asking:
            for number in range(3):
                told = await asking.responses.create(
                    model="fake", input=f"{number}+2?", background=True, extra_body=rsa
                )
                heard[told.id] = []
            listening = [asyncio.create_task(listen(asking, name, events)) for name, events in heard.items()]
            held: list[dict[int, int]] = []  # of each kill: seeds in the record then, and how often each was answered
            for heard_of in (6, 40):
                await until(lambda least=heard_of: sum(map(len, heard.values())) >= least, 60)  # type: ignore[misc]
                await asyncio.to_thread(process.end, signal.SIGKILL)
                await asyncio.gather(*listening, return_exceptions=True)
                await until(lambda: backend.open == 0)
                with Record(record, read_only=True) as written:
                    found = written.query("SELECT seed FROM generations")
                    held.append({seed: counting.answered[seed] for (seed,) in found})
                process = await asyncio.to_thread(Process, backend.url, record, process.port)
                listening = [asyncio.create_task(listen(asking, name, events)) for name, events in heard.items()]
            done = [await polled(asking, name) for name in heard]
            await asyncio.gather(*listening)
        await asyncio.to_thread(process.end, signal.SIGTERM)
    for response, events in zip(done, heard.values(), strict=True):
        assert response.status == "completed"
        populations = response.usage.selfagg["populations"]
        assert populations[-1] == 6
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert events[-1]["type"] == "response.completed"
        assert events[-1]["response"]["output"] == [item.model_dump() for item in response.output]
        deltas = [event["delta"] for event in events if event["type"] == "response.reasoning_summary_text.delta"]
        assert len(deltas) == sum(populations)
        assert "".join(deltas) == response.output[0].summary[0].text
    with Record(record, read_only=True) as written:
        kept_seeds = {seed for (seed,) in written.query("SELECT seed FROM generations")}
    assert len(kept_seeds) == sum(sum(response.usage.selfagg["populations"]) for response in done)
    # A call that was answered while the server was being killed may be made again; none that the record had.
    assert held[-1]
    for before in held:
        assert {seed: counting.answered[seed] for seed in before} == before
    assert set(counting.answered) == kept_seeds


async def listen(asking: AsyncOpenAI, name: str, events: list[dict[str, Any]]) -> None:
    """Hears all that follows what was heard; ends with the stream, or with the connection."""
    after = events[-1]["sequence_number"] if events else -1
    async for event in await asking.responses.retrieve(name, stream=True, starting_after=after):
        events.append(event.model_dump())  # noqa: PERF401 - what was heard stays when the connection is lost


async def test_a_server_that_is_stopped_goes_on_when_it_starts_again(tmp_path: Path) -> None:
    settings = ServeSettings(record=tmp_path / "served.sqlite")
    async with FaultServer(fine, hang) as backend:
        names: list[str] = []
        for _ in range(2):
            async with (
                serving(connected(backend.url), settings) as served,
                AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
            ):
                if not names:
                    told = await asking.responses.create(model="fake", input="2+2?", background=True, extra_body=SMALL)
                    names.append(told.id)
                    await until(lambda: backend.calls == 2 and backend.open == 1)
                    await asyncio.sleep(0.1)
                    assert (await asking.responses.retrieve(told.id)).status == "in_progress"
                else:
                    done = await polled(asking, names[0])
    assert done.output_text == "four"
    assert done.usage.selfagg["calls"] == 3
    assert backend.calls == 4  # the one that hung is made again
