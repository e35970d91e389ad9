"""Streams, watched chunk by chunk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from backends import CALL, connected, paced, tool_call
from openai import AsyncOpenAI
from openai_faults import FaultServer, completion, fine, hang, refuse, send, stream
from serving import Served, serving
from waiting import DEADLINES_S

from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server.settings import ServeSettings

NAME = "simulated:"
ASKED: Any = [{"role": "user", "content": "what?"}]
SMALL = {"n": 3, "k": 2, "t": 2}


async def lines(served: Served, **body: Any) -> AsyncIterator[str]:
    """The lines of one streamed answer as they come."""
    asked = {"model": NAME, "messages": ASKED, "stream": True} | body
    async with aiohttp.ClientSession() as session, session.post(f"{served.url}/v1/chat/completions", json=asked) as got:
        assert got.status == 200
        assert got.content_type == "text/event-stream"
        async for line in got.content:
            if line.strip():
                yield line.decode().strip()


def chunks(found: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in found if line.startswith("data: {")]


def said(found: list[dict[str, Any]], field: str = "content") -> str:
    return "".join(chunk["choices"][0]["delta"].get(field) or "" for chunk in found if chunk["choices"])


async def test_the_answer_comes_word_by_word_as_the_model_writes_it() -> None:
    step: asyncio.Queue[str | None] = asyncio.Queue()
    async with FaultServer(fine, fine, paced(step)) as backend, serving(connected(backend.url)) as served:
        reading = lines(served, model="fake", rsa={"n": 2, "k": 2, "t": 2}, temperature=0.3)
        progress = [await anext(reading) for _ in range(3)]
        assert said(chunks(progress), "reasoning_content") == "population 1: 1 of 2\npopulation 1: 2 of 2\n"
        for word in ("one ", "two ", "three"):
            step.put_nowait(word)
            async with asyncio.timeout(60):
                (chunk,) = chunks([await anext(reading)])
            assert chunk["choices"][0]["delta"] == {"content": word}
        step.put_nowait(None)
        rest = [line async for line in reading]
    assert chunks(rest)[-1]["choices"][0]["finish_reason"] == "stop"
    assert rest[-1] == "data: [DONE]"
    assert [body["stream"] for body in backend.bodies] == [True, True, True]


async def test_what_is_streamed_is_what_a_whole_answer_says() -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        found = chunks(
            [line async for line in lines(served, rsa=SMALL, seed=5, stream_options={"include_usage": True})]
        )
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none") as asking:
            whole: Any = await asking.chat.completions.create(
                model=NAME,
                messages=ASKED,
                seed=5,
                extra_body={"rsa": SMALL},
            )
    assert said(found) == whole.choices[0].message.content
    assert found[-1]["choices"] == []
    assert found[-1]["usage"] == whole.usage.model_dump(exclude_unset=True)
    assert all(chunk["usage"] is None for chunk in found[:-1])
    assert {chunk["object"] for chunk in found} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in found}) == 1


async def test_without_being_asked_no_usage_is_told() -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        found = chunks([line async for line in lines(served, rsa=SMALL)])
    assert all("usage" not in chunk for chunk in found)
    assert all(chunk["choices"] for chunk in found)


@pytest.mark.parametrize(("how", "comments", "reasoning"), [("comments", True, False), ("none", False, False)])
async def test_progress_as_comments_or_not_at_all(how: str, comments: bool, reasoning: bool) -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        found = [line async for line in lines(served, rsa=SMALL | {"progress": how})]
    assert any(line == ": population 1: 1 of 2" for line in found) or not comments
    assert any(line.startswith(":") for line in found) == comments
    assert bool(said(chunks(found), "reasoning_content")) == reasoning


async def test_progress_with_every_member() -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        found = chunks([line async for line in lines(served, rsa=SMALL | {"progress": "members"})])
    members = [chunk["selfagg"] for chunk in found if "selfagg" in chunk]
    assert [member["t"] for member in members] == [1] * members[0]["needed"][0] + [2]
    assert all(member["text"] and member["tokens"][2] > 0 for member in members)
    assert len(members[-1]["parents"]) == 2


async def test_several_answers_are_streamed_side_by_side() -> None:
    async with serving(SimulatedModel(Simulation(wrong=50))) as served:
        found = chunks([line async for line in lines(served, rsa=SMALL, n=3)])
    texts = ["", "", ""]
    ends = []
    for chunk in found:
        choice = chunk["choices"][0]
        texts[choice["index"]] += choice["delta"].get("content") or ""
        ends += [choice["index"]] * (choice["finish_reason"] is not None)
    assert all(text.startswith("Simulated reply.") for text in texts)
    assert sorted(ends) == [0, 1, 2]


async def test_a_vote_is_told_when_it_is_over() -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        found = chunks([line async for line in lines(served, rsa=SMALL | {"answer": "majority"})])
    contents = [chunk["choices"][0]["delta"].get("content") for chunk in found]
    assert len([content for content in contents if content]) == 1
    assert "population 2: 3 of 3" in said(found, "reasoning_content")


async def test_a_silent_stream_shows_that_it_lives() -> None:
    simulated = SimulatedModel(Simulation(tokens=100, cv=0, speed=250))
    async with serving(simulated, ServeSettings(keep_alive_s=0.1)) as served:
        found = [line async for line in lines(served, rsa={"n": 1, "k": 1, "t": 1})]
    assert found[0] == ": keep-alive"
    assert found[-1] == "data: [DONE]"


async def test_where_no_answer_can_come_the_error_has_its_status() -> None:
    async with (
        FaultServer(*[refuse(503, "no")] * 2000) as backend,
        serving(connected(backend.url)) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
    ):
        with pytest.raises(openai.InternalServerError) as refusal:
            await asking.chat.completions.create(model="fake", messages=ASKED, stream=True)
    assert refusal.value.status_code == 503


async def test_an_answer_that_breaks_off_is_told_within_the_stream() -> None:
    half = stream([{"choices": [{"index": 0, "delta": {"content": "fo"}, "finish_reason": None}]}], drop=True)
    async with (
        FaultServer(fine, fine, half) as backend,
        serving(connected(backend.url)) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
    ):
        reading: Any = await asking.chat.completions.create(
            model="fake",
            messages=ASKED,
            stream=True,
            extra_body={"rsa": {"n": 2, "k": 2, "t": 2}},
        )
        with pytest.raises(openai.APIError, match="broke off"):
            async for _ in reading:
                pass


async def test_an_answer_that_fails_before_its_first_word_is_replaced_by_another_member() -> None:
    script = [fine, fine, refuse(400, "no"), fine]
    async with FaultServer(*script) as backend, serving(connected(backend.url)) as served:
        found = chunks([line async for line in lines(served, model="fake", rsa={"n": 2, "k": 2, "t": 2})])
    assert said(found) == "four"
    assert found[-1]["choices"][0]["finish_reason"] == "stop"


async def test_a_deadline_within_the_answer_ends_it_where_it_stands() -> None:
    for deadline_s in DEADLINES_S:
        step: asyncio.Queue[str | None] = asyncio.Queue()
        step.put_nowait("begun")
        async with FaultServer(fine, fine, paced(step)) as backend, serving(connected(backend.url)) as served:
            rsa = {"n": 2, "k": 2, "t": 2, "deadline_s": deadline_s}
            asked = lines(served, model="fake", rsa=rsa, stream_options={"include_usage": True})
            found = chunks([line async for line in asked])
        if said(found) == "begun":
            break
    assert said(found) == "begun"
    assert found[-2]["choices"][0]["finish_reason"] == "length"
    assert found[-1]["usage"]["selfagg"]["cut_short"] is True


async def test_a_deadline_before_the_answer_gives_the_best_at_hand() -> None:
    for deadline_s in DEADLINES_S:
        async with FaultServer(fine, fine, hang) as backend, serving(connected(backend.url, timeout_s=60)) as served:
            rsa = {"n": 2, "k": 2, "t": 2, "deadline_s": deadline_s}
            found = chunks([line async for line in lines(served, model="fake", rsa=rsa)])
        if said(found) == "four":
            break
    assert said(found) == "four"


async def test_tool_calls_and_log_probabilities_are_handed_through() -> None:
    piece = {"index": 0, "id": "c1", "type": "function", "function": CALL["function"]}
    token = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    events = [
        {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [token]}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [piece]}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    tools: Any = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    async with FaultServer(fine, fine, stream(events)) as backend, serving(connected(backend.url)) as served:
        rsa = {"n": 2, "k": 2, "t": 2, "progress": "none"}
        found = chunks([line async for line in lines(served, model="fake", rsa=rsa, tools=tools, logprobs=True)])
    choices = [chunk["choices"][0] for chunk in found]
    assert choices[1]["logprobs"] == {"content": [token]}
    assert choices[2]["delta"] == {"tool_calls": [piece]}
    assert choices[-1]["finish_reason"] == "tool_calls"


async def test_a_whole_answer_that_calls_a_tool_has_no_text() -> None:
    tools: Any = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    async with (
        FaultServer(send(completion()), send(completion()), send(tool_call())) as backend,
        serving(connected(backend.url)) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
    ):
        reply: Any = await asking.chat.completions.create(
            model="fake:rsa-2-2-2",
            messages=ASKED,
            tools=tools,
        )
    (choice,) = reply.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls[0].function.name == "add"
    assert [body.get("tool_choice") for body in backend.bodies] == ["none", "none", None]
    assert all(body["tools"] == tools for body in backend.bodies)
