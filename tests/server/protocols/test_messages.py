"""Messages through Anthropic's official client: blocks, events in their order, tools, keys, errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anthropic
import pytest
from anthropic import AsyncAnthropic
from backends import connected, tool_call
from openai_faults import Fault, FaultServer, completion, fine, refuse, send, stream
from serving import serving

from selfagg.models.base import Model
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server.settings import ServerLimits, ServeSettings

NAME = "simulated:"
SMALL: Any = {"rsa": {"n": 2, "k": 2, "t": 2}}
ASKED: Any = [{"role": "user", "content": "2+2?"}]
TOOL: Any = {"name": "add", "description": "a + b", "input_schema": {"type": "object"}}
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}


@asynccontextmanager
async def client(
    model: Model | None = None, settings: ServeSettings | None = None, key: str = "none"
) -> AsyncIterator[AsyncAnthropic]:
    async with (
        serving(model or SimulatedModel(Simulation()), settings) as served,
        AsyncAnthropic(base_url=served.url, api_key=key, max_retries=0) as asking,
    ):
        yield asking


@asynccontextmanager
async def before(*script: Fault) -> AsyncIterator[tuple[AsyncAnthropic, FaultServer]]:
    """A client of a server before a backend that speaks chat completions alone."""
    async with FaultServer(*script) as backend, client(connected(backend.url)) as asking:
        yield asking, backend


async def test_a_message_is_answered_and_its_first_block_is_text() -> None:
    async with client() as asking:
        told: Any = await asking.messages.create(
            model=NAME, max_tokens=9000, messages=ASKED, system="be brief", extra_body=SMALL
        )
    assert told.content[0].text.startswith("Simulated reply")
    assert (told.type, told.role, told.stop_reason) == ("message", "assistant", "end_turn")
    assert told.usage.selfagg["calls"] == 3
    assert 0 < told.usage.input_tokens < told.usage.selfagg["prompt_tokens"]
    assert 0 < told.usage.output_tokens < told.usage.selfagg["completion_tokens"]


async def test_events_come_in_the_order_of_the_api_with_progress_as_thinking() -> None:
    async with (
        before(fine, fine, fine) as (asking, _),
        asking.messages.stream(
            model="fake", max_tokens=2000, messages=ASKED, thinking=THINKING, extra_body=SMALL
        ) as reading,
    ):
        kinds = [event.type async for event in reading]
        told = await reading.get_final_message()
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    thinking, text = told.content
    assert thinking.type == "thinking"
    assert thinking.thinking == "population 1: 1 of 2\npopulation 1: 2 of 2\n"
    assert thinking.signature == "selfagg"
    assert text.type == "text"
    assert text.text == "four"
    assert (told.usage.input_tokens, told.usage.output_tokens) == (11, 3)


async def test_without_thinking_a_stream_holds_text_alone() -> None:
    async with (
        before(fine, fine, fine) as (asking, _),
        asking.messages.stream(model="fake", max_tokens=2000, messages=ASKED, extra_body=SMALL) as reading,
    ):
        assert [piece async for piece in reading.text_stream] == ["fo", "u", "r"]
        assert [block.type for block in (await reading.get_final_message()).content] == ["text"]


async def test_a_models_own_reasoning_is_a_thinking_block_where_one_is_wanted() -> None:
    answer = send(completion(message={"role": "assistant", "content": "<think>two and two</think>four"}))
    for thinking, kinds in ((THINKING, ["thinking", "text"]), ({"type": "disabled"}, ["text"])):
        async with before(*[answer] * 3) as (asking, _):
            fields: Any = {"thinking": thinking, "extra_body": SMALL}
            told = await asking.messages.create(model="fake", max_tokens=2000, messages=ASKED, **fields)
        assert [block.type for block in told.content] == kinds


async def test_blocks_become_messages() -> None:
    image = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    turns: Any = [
        {"role": "user", "content": [{"type": "text", "text": "what is this?"}, {"type": "image", "source": image}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "selfagg"},
                {"type": "text", "text": "let me see"},
                {"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 2}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "4"}]},
                {"type": "tool_result", "tool_use_id": "c2", "content": "no", "is_error": True},
                {"type": "text", "text": "and?"},
            ],
        },
    ]
    async with before() as (asking, backend):
        told = await asking.messages.with_raw_response.create(
            model="fake",
            max_tokens=50,
            messages=turns,
            system=[{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
            tools=[TOOL, {"type": "web_search_20250305", "name": "web_search"}],
            tool_choice={"type": "any"},
            stop_sequences=["END"],
            metadata={"user_id": "ann"},
            extra_body={"rsa": {"n": 1, "k": 1, "t": 1}, "temperature": 0.5},
        )
    (body,) = backend.bodies
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {"role": "assistant", "content": "let me see", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "4"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: no"},
        {"role": "user", "content": "and?"},
    ]
    function = {"name": "add", "description": "a + b", "parameters": {"type": "object"}}
    assert body["tools"] == [{"type": "function", "function": function}]
    assert (body["tool_choice"], body["stop"], body["max_tokens"], body["temperature"]) == (
        "required",
        ["END"],
        50,
        0.5,
    )
    assert told.headers["X-Selfagg-Ignored"] == "tools (web_search_20250305)"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("rsa", [None, {"n": 2, "k": 2, "t": 2}])
async def test_tools_work_before_a_backend_that_speaks_chat_completions_alone(streamed: bool, rsa: Any) -> None:
    begun: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": ""}}
    pieces = [begun, {"function": {"arguments": '{"a": 2, '}}, {"function": {"arguments": '"b": 2}'}}]
    events = [{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0} | piece]}}]} for piece in pieces]
    called = stream([*events, {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}])
    script = [fine, fine] * bool(rsa) + [called if streamed else send(tool_call())]
    fields: Any = {"model": "fake", "max_tokens": 99, "messages": ASKED, "tools": [TOOL]}
    fields |= {"extra_body": {"rsa": rsa}} if rsa else {}
    async with before(*script) as (asking, _):
        if streamed:
            async with asking.messages.stream(**fields) as reading:
                told = await reading.get_final_message()
        else:
            told = await asking.messages.create(**fields)
    block: Any = told.content[-1]
    assert (block.type, block.id, block.name, block.input) == ("tool_use", "c1", "add", {"a": 2, "b": 2})
    assert told.stop_reason == "tool_use"


async def test_a_length_limit_is_told() -> None:
    async with client(SimulatedModel(Simulation(tokens=50, cv=0))) as asking:
        told = await asking.messages.create(model=NAME, max_tokens=10, messages=ASKED, extra_body=SMALL)
    assert told.stop_reason == "max_tokens"


async def test_x_api_key_is_the_key() -> None:
    settings = ServeSettings(keys=("right",))
    async with client(settings=settings, key="right") as asking:
        assert (await asking.messages.create(model=NAME, max_tokens=99, messages=ASKED)).content
        assert (await asking.messages.count_tokens(model=NAME, messages=ASKED)).input_tokens == 1
        assert next(iter([model.id async for model in asking.models.list()])) == NAME
    async with client(settings=settings, key="wrong") as asking:
        with pytest.raises(anthropic.AuthenticationError, match="x-api-key"):
            await asking.messages.create(model=NAME, max_tokens=99, messages=ASKED)


REFUSED: list[tuple[dict[str, Any], int, str, str]] = [
    ({"max_tokens": None}, 400, "invalid_request_error", "max_tokens"),
    ({"max_tokens": 0}, 400, "invalid_request_error", "max_tokens"),
    ({"messages": []}, 400, "invalid_request_error", "messages"),
    ({"messages": [{"role": "nobody", "content": "x"}]}, 400, "invalid_request_error", "messages.0.role"),
    ({"messages": [{"role": "user", "content": 5}]}, 400, "invalid_request_error", "messages.0.content"),
    ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, 400, "invalid_request_error", "'video'"),
    ({"tool_choice": {"type": "x"}, "tools": [TOOL]}, 400, "invalid_request_error", "tool_choice"),
    ({"mcp_servers": [{"name": "x"}]}, 400, "invalid_request_error", "mcp_servers"),
    ({"rsa": {"n": 0}}, 400, "invalid_request_error", "rsa.n"),
    ({"model": "claude"}, 404, "not_found_error", "claude"),
    ({"system": "x" * 200_000}, 413, "request_too_large", "larger"),
]


async def test_what_cannot_be_is_refused_in_anthropics_form() -> None:
    settings = ServeSettings(limits=ServerLimits(body_bytes=100_000))
    async with serving(SimulatedModel(Simulation()), settings) as served, aiohttp.ClientSession() as session:
        for fields, status, kind, said in REFUSED:
            body = {"model": NAME, "max_tokens": 99, "messages": ASKED, "rsa": True} | fields
            async with session.post(f"{served.url}/v1/messages", json=body) as answer:
                told = await answer.json()
            assert (answer.status, told["type"], told["error"]["type"]) == (status, "error", kind), fields
            assert said in told["error"]["message"]
        async with session.get(f"{served.url}/v1/messages") as answer:
            assert (answer.status, (await answer.json())["type"]) == (405, "error")


async def test_what_goes_wrong_is_told_in_anthropics_form() -> None:
    half = stream([{"choices": [{"index": 0, "delta": {"content": "fo"}, "finish_reason": None}]}], drop=True)
    async with before(*[refuse(503, "no")] * 2000) as (asking, _):
        for streamed in (False, True):
            with pytest.raises(anthropic.APIStatusError) as refusal:
                await asking.messages.create(model="fake", max_tokens=99, messages=ASKED, stream=streamed)
            assert refusal.value.status_code == 503
    async with before(fine, fine, half) as (asking, _):
        with pytest.raises(anthropic.APIStatusError, match="broke off"):
            async with asking.messages.stream(model="fake", max_tokens=99, messages=ASKED, extra_body=SMALL) as reading:
                await reading.get_final_message()


async def test_plain_calls_and_counts_are_the_backends_own_where_it_has_the_route() -> None:
    answer = {"type": "message", "content": [{"type": "text", "text": "four", "odd": 1.50}]}
    seen: list[tuple[str | None, Any]] = []

    async def messages(request: Any, body: Any) -> Any:
        seen.append((request.headers.get("anthropic-version"), body))
        return await send(answer)(request, body)

    async with FaultServer() as backend, client(connected(backend.url)) as asking:
        backend.other |= {"/v1/messages": messages, "/v1/messages/count_tokens": send({"input_tokens": 77})}
        told = await asking.messages.with_raw_response.create(
            model="fake:single", max_tokens=99, messages=ASKED, extra_body={"odd": {"a": [1.5]}}
        )
        assert json.loads(await told.text()) == answer
        assert (await asking.messages.count_tokens(model="fake", messages=ASKED)).input_tokens == 77
        del backend.other["/v1/messages/count_tokens"]
        assert (await asking.messages.count_tokens(model="fake", messages=ASKED)).input_tokens > 0
    expected = {"model": "fake", "max_tokens": 99, "messages": ASKED, "odd": {"a": [1.5]}}
    ((version, body),) = seen
    assert version
    assert body == expected
    assert backend.bodies == []
