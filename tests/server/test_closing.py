"""A question that stops early, or is voted on, still answers in the form that is asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from backends import connected, paced, tool_call
from openai import AsyncOpenAI
from openai_faults import Fault, FaultServer, completion, refuse, send, stream
from serving import Served, serving

from selfagg.record.record import Record
from selfagg.run.call_queue import CallQueue
from selfagg.server.deliberation import DeliberationResult, Deliberator
from selfagg.server.plan import planned
from selfagg.server.settings import ServeSettings

ASKED: Any = [{"role": "user", "content": "What is 2 + 2?"}]
FORM = {"type": "json_object"}
RSA = {"n": 3, "k": 2, "t": 4, "kind": "math"}
"""With the server's own stop: 3 of 3 must agree."""

BOXED = send(completion(r"It is \boxed{4}."))
JSON = '{"sum": 4}'
TOOLS: Any = [{"type": "function", "function": {"name": "add", "parameters": {}}}]


@asynccontextmanager
async def client(*script: Fault) -> AsyncIterator[tuple[AsyncOpenAI, FaultServer, Served]]:
    """A client of a server whose backend answers by this script, after a population of three that agree."""
    async with (
        FaultServer(BOXED, BOXED, BOXED, *script) as backend,
        serving(connected(backend.url, timeout_s=60)) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
    ):
        yield asking, backend, served


async def chat(asking: AsyncOpenAI, rsa: dict[str, Any] | None = None, **body: Any) -> Any:
    return await asking.chat.completions.create(
        model="fake", messages=ASKED, extra_body={"rsa": RSA | (rsa or {})}, **body
    )


async def lines(served: Served, **body: Any) -> AsyncIterator[dict[str, Any]]:
    """The chunks of one streamed answer as they come."""
    asked = {"model": "fake", "messages": ASKED, "stream": True, "rsa": RSA} | body
    async with aiohttp.ClientSession() as session, session.post(f"{served.url}/v1/chat/completions", json=asked) as got:
        async for line in got.content:
            if line.startswith(b"data: {"):
                yield json.loads(line.removeprefix(b"data: "))


def content(chunks: list[dict[str, Any]], field: str = "content") -> list[str]:
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk.get("choices")]
    return [delta[field] for delta in deltas if delta.get(field)]


async def test_the_answer_is_one_aggregation_of_agreeing_members_in_the_form_asked_for() -> None:
    async with client(send(completion(JSON))) as (asking, backend, _):
        reply = await chat(asking, response_format=FORM, stop=["END"])
    assert reply.choices[0].message.content == JSON
    assert [("response_format" in body, "stop" in body) for body in backend.bodies] == [(False, False)] * 3 + [
        (True, True)
    ]
    assert backend.bodies[-1]["messages"][-1]["content"].count("It is") == RSA["k"]
    told = reply.usage.selfagg
    assert (told["calls"], told["closing"], told["depth"], told["copies"]) == (4, 1, 1, 0)
    assert (told["stopped"], told["populations"]) == ("share:0.875", [3, 0, 0, 0])


async def test_it_is_streamed_as_the_model_writes_it() -> None:
    step: asyncio.Queue[str | None] = asyncio.Queue()
    async with client(paced(step)) as (_, _, served):
        reading = lines(served, response_format=FORM, stream_options={"include_usage": True})
        progress = [await anext(reading) for _ in range(4)]  # the role comes first
        assert content(progress, "reasoning_content") == [
            f"population 1 of at most 4: {done} of 3\n" for done in (1, 2, 3)
        ]
        for word in ('{"sum"', ": 4}"):
            step.put_nowait(word)
            async with asyncio.timeout(60):
                assert content([await anext(reading)]) == [word]
        step.put_nowait(None)
        *_, ended, told = [chunk async for chunk in reading]
    assert ended["choices"][0]["finish_reason"] == "stop"
    assert (told["usage"]["selfagg"]["calls"], told["usage"]["selfagg"]["closing"]) == (4, 1)


async def test_where_nothing_binds_the_answer_the_recorded_text_is_given_at_once() -> None:
    async with client() as (asking, backend, _):
        reply = await chat(asking, response_format={"type": "text"})
        assert len(backend.bodies) == 3
    assert reply.choices[0].message.content == r"It is \boxed{4}."
    told = reply.usage.selfagg
    assert (told["calls"], told["closing"], told["depth"], told["stopped"]) == (3, 0, 1, "share:0.875")
    async with client() as (_, backend, served):
        chunks = [chunk async for chunk in lines(served)]
        assert len(backend.bodies) == 3
    assert content(chunks) == [r"It is \boxed{4}."]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("bound", [False, True])
async def test_the_responses_api_too(streamed: bool, bound: bool) -> None:
    pieces = [{"choices": [{"index": 0, "delta": {"content": JSON}, "finish_reason": "stop"}]}]
    text = {"text": {"format": {"type": "json_object"}}} if bound else {}
    async with client(stream(pieces) if streamed else send(completion(JSON))) as (asking, backend, _):
        got: Any = await asking.responses.create(
            model="fake", input="What is 2 + 2?", stream=streamed, extra_body={"rsa": RSA, **text}
        )
        reply = [event async for event in got][-1].response if streamed else got
    assert reply.output_text == (JSON if bound else r"It is \boxed{4}.")
    assert len(backend.bodies) == 3 + bound
    told = reply.usage.selfagg
    assert (told["calls"], told["closing"], told["depth"]) == (3 + bound, int(bound), 1)


async def test_tools_may_be_used_by_the_closing_call_alone() -> None:
    async with client(send(tool_call())) as (asking, backend, _):
        reply = await chat(asking, tools=TOOLS)
    assert reply.choices[0].message.tool_calls[0].function.name == "add"
    assert [body.get("tool_choice") for body in backend.bodies] == ["none"] * 3 + [None]


async def test_each_of_several_answers_has_a_closing_call() -> None:
    async with client(send(completion(JSON)), send(completion("{}"))) as (asking, backend, _):
        reply = await chat(asking, response_format=FORM, n=2)
    assert {choice.message.content for choice in reply.choices} == {JSON, "{}"}
    assert reply.usage.selfagg["closing"] == 2
    assert backend.bodies[3]["seed"] != backend.bodies[4]["seed"]


async def test_where_the_closing_call_fails_there_is_an_error_and_no_text_of_another_form() -> None:
    async with client(refuse(400, "no such format")) as (asking, _, _):
        with pytest.raises(openai.BadRequestError, match=r"closing call failed.*no such format"):
            await chat(asking, response_format=FORM)
    begun = [{"choices": [{"index": 0, "delta": {"content": "{"}, "finish_reason": None}]}]
    async with client(stream(begun, drop=True)) as (asking, _, _):
        reading, heard = await chat(asking, response_format=FORM, stream=True), ""
        with pytest.raises(openai.APIError, match="closing call failed"):  # noqa: PT012 - it fails on its way
            async for chunk in reading:
                heard += chunk.choices[0].delta.content or ""
    assert heard == "{"


async def test_a_vote_is_on_members_without_the_form_and_ends_with_a_closing_call() -> None:
    async with client(send(completion(JSON))) as (asking, backend, _):
        reply = await chat(asking, {"t": 1, "answer": "majority"}, response_format=FORM)
    assert reply.choices[0].message.content == JSON
    assert ["response_format" in body for body in backend.bodies] == [False] * 3 + [True]
    told = reply.usage.selfagg
    assert (told["closing"], told["depth"], told["stopped"]) == (1, 1, None)


async def test_the_answer_is_no_copy_where_something_binds_it() -> None:
    rsa = {"k": 3, "t": 3, "stop": "never", "copy": True, "answer": "sample"}
    async with client(send(completion(JSON))) as (asking, backend, _):
        reply = await chat(asking, rsa, response_format=FORM)
    assert reply.choices[0].message.content == JSON
    assert len(backend.bodies) == 4
    assert (reply.usage.selfagg["copies"], reply.usage.selfagg["closing"]) == (3, 0)
    async with client() as (asking, backend, _):
        assert (await chat(asking, rsa)).choices[0].message.content == r"It is \boxed{4}."
        assert len(backend.bodies) == 3


@pytest.mark.parametrize(("more", "again"), [({"response_format": FORM}, 0), ({"tools": TOOLS}, 1)])
async def test_a_record_that_is_gone_on_with_pays_nothing_twice(
    tmp_path: Path, more: dict[str, Any], again: int
) -> None:
    body = {"model": "fake", "messages": ASKED, "rsa": RSA, "seed": 1} | more
    settings = ServeSettings()
    script = [BOXED, BOXED, BOXED, send(tool_call() if again else completion(JSON))]
    async with FaultServer(*script, *script[3:]) as backend, connected(backend.url) as model:
        with Record(tmp_path / "run.sqlite") as record:
            record.begin({"source": "serve"}, [])
            deliberator = Deliberator(model, CallQueue(8), record)
            found: list[DeliberationResult] = []
            for resumed in (False, True):
                plan = planned(body, "fake", settings, forwards=True)
                found.append(await deliberator.run(plan, "name", resumed=resumed))
                await record.drain()
            roles = record.query("SELECT role, t, i, parents FROM generations WHERE role != 'candidate'")
    names = ("calls", "closing", "depth", "stopped")
    assert len(backend.bodies) == 4 + again  # of a tool's call the record keeps nothing
    assert [[result.account[name] for name in names] for result in found] == [[4, 1, 1, "share:0.875"]] * 2
    assert found[0].members[0].reply.text == found[1].members[0].reply.text  # type: ignore[union-attr]
    assert roles == [("closing", 2, 0, "[0, 1]")]
