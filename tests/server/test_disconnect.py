"""Clients that hang up, and a server that is told to stop: nothing goes on for nobody."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from backends import connected, paced
from openai_faults import FaultServer, fine, hang
from serving import serving
from waiting import until

from selfagg.server.disconnect import CLEANUPS, ClientGone, while_present

ASKED = [{"role": "user", "content": "what?"}]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("deliberated", [False, True])
async def test_a_client_that_hangs_up_ends_every_call_made_for_it(streamed: bool, deliberated: bool) -> None:
    calls = 6 if deliberated else 1
    answer = {"n": 6, "t": 1, "answer": "majority"} if deliberated else False
    async with FaultServer(*[hang] * calls) as backend, serving(connected(backend.url)) as served:
        async with aiohttp.ClientSession() as session:
            body = {"model": "fake", "messages": ASKED, "rsa": answer, "stream": streamed}
            asking = asyncio.create_task(session.post(f"{served.url}/v1/chat/completions", json=body))
            await until(lambda: backend.open == calls, 5)
            asking.cancel()
        await until(lambda: backend.open == 0)
        await until(lambda: served.service.open_requests == 0 and served.service.call_queue.inside == 0)
    assert len(backend.bodies) == calls


@pytest.mark.parametrize("rsa", [False, {"n": 2, "k": 2, "t": 2}])
async def test_a_client_that_hangs_up_in_the_middle_of_a_stream_ends_it_at_the_backend(rsa: object) -> None:
    step: asyncio.Queue[str | None] = asyncio.Queue()
    script = [fine, fine, paced(step)] if rsa else [paced(step)]
    async with FaultServer(*script) as backend, serving(connected(backend.url)) as served:
        step.put_nowait("word")
        async with aiohttp.ClientSession() as session:
            body = {"model": "fake", "messages": ASKED, "rsa": rsa, "stream": True}
            async with session.post(f"{served.url}/v1/chat/completions", json=body) as got:
                async for line in got.content:
                    if b"word" in line:
                        break
        await until(lambda: backend.open == 0)
        await until(lambda: served.service.open_requests == 0 and served.service.call_queue.inside == 0)


async def test_a_server_that_stops_ends_what_runs_after_its_time_of_grace() -> None:
    async with FaultServer(hang) as backend, aiohttp.ClientSession() as session:
        async with serving(connected(backend.url), grace_s=1) as served:
            body = {"model": "fake", "messages": ASKED, "rsa": False}
            asking = asyncio.create_task(session.post(f"{served.url}/v1/chat/completions", json=body))
            await until(lambda: backend.open == 1, 5)
        await until(lambda: backend.open == 0)  # the server's own doing: the client still waits
        async with await asking as told:
            assert (told.status, (await told.json())["error"]["code"]) == (503, "server_stopping")


async def test_a_stream_that_outlasts_the_grace_ends_with_an_error_event(caplog: pytest.LogCaptureFixture) -> None:
    step: asyncio.Queue[str | None] = asyncio.Queue()
    step.put_nowait("word")
    body = {"model": "fake", "messages": ASKED, "rsa": False, "stream": True}
    async with FaultServer(paced(step)) as backend, aiohttp.ClientSession() as session:
        async with serving(connected(backend.url), grace_s=1) as served:
            asked = await session.post(f"{served.url}/v1/chat/completions", json=body)
            assert b"word" in await asked.content.readline()
        told = await asked.content.read()
    assert b"server_stopping" in told
    assert told.endswith(b"data: [DONE]\n\n")
    assert not [line for line in caplog.records if line.exc_info]


async def test_what_is_under_way_ends_well_within_the_time_of_grace() -> None:
    step: asyncio.Queue[str | None] = asyncio.Queue()
    async with FaultServer(paced(step)) as backend, aiohttp.ClientSession() as session:
        async with serving(connected(backend.url), grace_s=10) as served:
            body = {"model": "fake", "messages": ASKED, "rsa": False, "stream": True}
            got = await session.post(f"{served.url}/v1/chat/completions", json=body)
            step.put_nowait("last words")
            asyncio.get_running_loop().call_later(0.3, step.put_nowait, None)
        assert b"last words" in (text := await got.read())
        assert text.endswith(b"data: [DONE]\n\n")


async def test_of_many_that_hang_up_together_only_a_few_are_cancelled_at_once() -> None:
    ending, most, left, may_end = 0, 0, asyncio.Event(), asyncio.Event()

    async def work() -> None:
        nonlocal ending, most
        try:
            await asyncio.Event().wait()
        finally:
            ending += 1
            most = max(most, ending)
            await may_end.wait()
            ending -= 1

    async def receive() -> dict[str, str]:
        await left.wait()
        return {"type": "http.disconnect"}

    clients = [asyncio.create_task(while_present(receive, work())) for _ in range(3 * CLEANUPS)]
    await asyncio.sleep(0)
    left.set()
    await until(lambda: ending == CLEANUPS)
    may_end.set()
    ended = await asyncio.gather(*clients, return_exceptions=True)
    assert most == CLEANUPS
    assert all(isinstance(error, ClientGone) for error in ended)
