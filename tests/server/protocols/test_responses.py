"""Responses through the official client: items, events in their order, tools, formats, what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from backends import connected, tool_call
from openai import AsyncOpenAI
from openai_faults import Fault, FaultServer, completion, fine, refuse, send, stream
from pydantic import BaseModel
from serving import Served, serving

from selfagg.models.base import Model
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server.settings import ServeSettings

NAME = "simulated:"
SMALL: Any = {"rsa": {"n": 2, "k": 2, "t": 2}}
TOOL: Any = {
    "type": "function",
    "name": "add",
    "description": "a + b",
    "parameters": {"type": "object"},
    "strict": True,
}


@asynccontextmanager
async def client(model: Model | None = None, settings: ServeSettings | None = None) -> AsyncIterator[AsyncOpenAI]:
    async with (
        serving(model or SimulatedModel(Simulation()), settings) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
    ):
        yield asking


@asynccontextmanager
async def before(
    *script: Fault, settings: ServeSettings | None = None
) -> AsyncIterator[tuple[AsyncOpenAI, FaultServer]]:
    """A client of a server before a backend that speaks chat completions alone."""
    async with FaultServer(*script) as backend, client(connected(backend.url), settings) as asking:
        yield asking, backend


async def test_a_string_is_answered_and_all_that_was_spent_stands_in_the_account() -> None:
    async with client() as asking:
        told = await asking.responses.with_raw_response.create(
            model=NAME, input="what?", instructions="be brief", metadata={"a": "b"}, extra_body=SMALL
        )
    answer: Any = told.parse()
    assert answer.output_text.startswith("Simulated reply.")
    assert (answer.status, answer.object, answer.metadata) == ("completed", "response", {"a": "b"})
    assert [item.type for item in answer.output] == ["message"]
    assert answer.usage.selfagg["calls"] == 3
    assert 0 < answer.usage.input_tokens < answer.usage.selfagg["prompt_tokens"]
    assert answer.usage.output_tokens_details.deliberation_tokens == answer.usage.selfagg["completion_tokens"]
    assert told.headers["X-Selfagg-Spent"].startswith("calls=3, ")


async def test_events_come_in_the_order_of_the_api_and_make_up_the_response() -> None:
    async with (
        before(fine, fine, fine) as (asking, _),
        asking.responses.stream(model="fake", input="2+2?", extra_body=SMALL) as reading,
    ):
        found = [event async for event in reading]
        final = await reading.get_final_response()
    assert [event.sequence_number for event in found] == list(range(len(found)))
    kinds = [event.type.removeprefix("response.") for event in found]
    assert kinds == [
        *("created", "in_progress", "output_item.added", "reasoning_summary_part.added"),
        *["reasoning_summary_text.delta"] * 2,
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert final.output_text == "four"
    reasoning: Any = final.output[0]
    assert reasoning.summary[0].text == "population 1: 1 of 2\npopulation 1: 2 of 2\n"
    assert final.usage
    assert (final.usage.input_tokens, final.usage.output_tokens) == (11, 3)


async def test_progress_is_not_told_where_none_is_wanted() -> None:
    async with client() as asking:
        rsa = {"rsa": SMALL["rsa"] | {"progress": "none"}}
        reading = await asking.responses.create(model=NAME, input="what?", stream=True, extra_body=rsa)
        kinds = [event.type async for event in reading]
    assert not any("reasoning" in kind for kind in kinds)


async def test_a_models_own_reasoning_is_an_item_of_its_own() -> None:
    answer = send(completion(message={"role": "assistant", "content": "<think>two and two</think>four"}))
    async with before(*[answer] * 3) as (asking, _):
        told: Any = await asking.responses.create(model="fake", input="2+2?", extra_body=SMALL)
    assert [item.type for item in told.output] == ["reasoning", "message"]
    assert told.output[0].content[0].text == "two and two"
    assert told.output_text == "four"


async def test_items_become_messages() -> None:
    image = "data:image/png;base64,AAAA"
    items: Any = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "input_text", "text": "2+2?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "let me see"}]},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "4"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "5"}]},
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "and?"}, {"type": "input_image", "image_url": image}],
        },
    ]
    async with before() as (asking, backend):
        await asking.responses.create(
            model="fake",
            input=items,
            instructions="in English",
            max_output_tokens=50,
            reasoning={"effort": "low", "summary": "auto"},
            text={"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}},
            tools=[TOOL],
            tool_choice={"type": "function", "name": "add"},
            extra_body={"rsa": {"n": 1, "k": 1, "t": 1}},
        )
    (body,) = backend.bodies
    function = {"name": "add", "arguments": "{}"}
    assert body["messages"] == [
        {"role": "system", "content": "in English"},
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": "2+2?"},
        {
            "role": "assistant",
            "content": "let me see",
            "tool_calls": [{"id": name, "type": "function", "function": function} for name in ("c1", "c2")],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "4"},
        {"role": "tool", "tool_call_id": "c2", "content": "5"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "and?"}, {"type": "image_url", "image_url": {"url": image}}],
        },
    ]
    schema = {"name": "a", "schema": {"type": "object"}, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert body["tools"] == [{"type": "function", "function": {name: TOOL[name] for name in TOOL if name != "type"}}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    assert (body["max_tokens"], body["reasoning_effort"]) == (50, "low")


class Sum(BaseModel):
    total: int


async def test_parsed_answers() -> None:
    async with before(*[send(completion('{"total": 4}'))] * 3) as (asking, _):
        told = await asking.responses.parse(model="fake", input="2+2?", text_format=Sum, extra_body=SMALL)
    assert told.output_parsed == Sum(total=4)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("rsa", [None, {"n": 2, "k": 2, "t": 2}])
async def test_tools_work_before_a_backend_that_speaks_chat_completions_alone(streamed: bool, rsa: Any) -> None:
    pieces: list[dict[str, Any]] = [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": ""}},
        {"function": {"arguments": "{}"}},
    ]
    events = [{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0} | piece]}}]} for piece in pieces]
    called = stream([*events, {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}])
    script = [fine, fine] * bool(rsa) + [called if streamed else send(tool_call())]
    async with before(*script) as (asking, backend):
        fields: Any = {"model": "fake", "input": "2+2?", "tools": [TOOL], "extra_body": {"rsa": rsa} if rsa else {}}
        if streamed:
            async with asking.responses.stream(**fields) as reading:
                kinds = [event.type async for event in reading]
                told = await reading.get_final_response()
            assert "response.function_call_arguments.done" in kinds
        else:
            told = await asking.responses.create(**fields)
    call: Any = told.output[-1]
    assert (call.type, call.name, call.call_id) == ("function_call", "add", "c1")
    assert len(backend.bodies) == len(script)


async def test_hosted_tools_are_left_out_and_named() -> None:
    async with before() as (asking, backend):
        told = await asking.responses.with_raw_response.create(
            model="fake", input="2+2?", tools=[{"type": "web_search"}, TOOL], truncation="auto", extra_body=SMALL
        )
    assert told.headers["X-Selfagg-Ignored"] == "tools (web_search)"
    assert [len(body["tools"]) for body in backend.bodies] == [1, 1, 1]


async def test_length_and_filter_leave_the_response_incomplete() -> None:
    for finish, reason in (("length", "max_output_tokens"), ("content_filter", "content_filter")):
        async with before(*[send(completion(finish_reason=finish))] * 3) as (asking, _):
            told: Any = await asking.responses.create(
                model="fake", input="2+2?", extra_body={"rsa": {"n": 1, "t": 1, "k": 1}}
            )
        assert (told.status, told.incomplete_details.reason) == ("incomplete", reason)


async def test_an_answer_that_breaks_off_ends_the_stream_as_failed() -> None:
    half = stream([{"choices": [{"index": 0, "delta": {"content": "fo"}, "finish_reason": None}]}], drop=True)
    async with before(fine, fine, half) as (asking, _):
        reading = await asking.responses.create(model="fake", input="2+2?", stream=True, extra_body=SMALL)
        *_, last = [event async for event in reading]
    assert last.type == "response.failed"
    assert last.response.error
    assert "broke off" in last.response.error.message


async def test_where_no_answer_can_come_the_error_has_its_status() -> None:
    async with before(*[refuse(503, "no")] * 2000) as (asking, _):
        for streamed in (False, True):
            with pytest.raises(openai.InternalServerError) as refusal:
                await asking.responses.create(model="fake", input="2+2?", stream=streamed)
            assert refusal.value.status_code == 503


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"input": 5}, "input", "valid"),
    ({"input": []}, "input", "no message"),
    ({"input": [{"role": "user"}, {"type": "computer_call"}]}, "input.1", "computer_call"),
    ({"input": [{"role": "user", "content": [{"type": "video"}]}]}, "input.0.content.0", "video"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input.0.content.0", "files"),
    ({"input": [{"role": "nobody", "content": "x"}]}, "input.0.role", "nobody"),
    ({"input": [{"role": "system", "content": "x"}]}, "input", "user turn"),
    ({"max_output_tokens": 0}, "max_output_tokens", "greater"),
    ({"temperature": "hot"}, "temperature", "number"),
    ({"rsa": {"n": 0}}, "rsa.n", "greater"),
    ({"conversation": "conv_1"}, "conversation", "previous_response_id"),
    ({"previous_response_id": "resp_1"}, "previous_response_id", "--record"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input.0", "send it whole"),
    ({"background": True, "store": False}, "store", "kept"),
    ({"tool_choice": {"type": "web_search"}, "tools": [TOOL]}, "tool_choice", "web_search"),
    ({"text": {"format": {"type": "json_object"}}}, "text.format", "no such setting"),
]


async def test_what_cannot_be_is_refused_in_the_apis_own_form() -> None:
    async with serving(SimulatedModel(Simulation())) as served, aiohttp.ClientSession() as session:
        for fields, param, said in REFUSED:
            body = {"model": NAME, "input": "what?", "rsa": True} | fields
            async with session.post(f"{served.url}/v1/responses", json=body) as answer:
                told = (await answer.json())["error"]
            assert (answer.status, told["param"], told["type"]) == (400, param, "invalid_request_error"), fields
            assert said in told["message"]


async def test_a_conversation_is_gone_on_with_by_the_id_of_its_last_response(tmp_path: Path) -> None:
    settings = ServeSettings(n=2, k=2, t=1, record=tmp_path / "served.sqlite")
    async with before(settings=settings) as (asking, backend):
        first = await asking.responses.create(model="fake", input="2+2?", instructions="be brief")
        second = await asking.responses.create(model="fake", input="sure?", previous_response_id=first.id)
        stream = await asking.responses.create(model="fake", input="so?", previous_response_id=second.id, stream=True)
        last = [event async for event in stream][-1]
        assert last.type == "response.completed"
        reference: Any = [{"type": "item_reference", "id": second.output[-1].id}, {"role": "user", "content": "hm"}]
        await asking.responses.create(model="fake", input=reference)
        unkept = await asking.responses.create(model="fake", input="2+2?", store=False)
        with pytest.raises(openai.BadRequestError, match="is not kept here"):
            await asking.responses.create(model="fake", input="x", previous_response_id=unkept.id)
        items = [item async for item in asking.responses.input_items.list(second.id, order="asc")]
        assert (await asking.responses.retrieve(first.id)).output_text == "four"
        await asking.responses.delete(first.id)
        for name in (first.id, unkept.id, "resp_nothing", "../models"):
            with pytest.raises(openai.NotFoundError):
                await asking.responses.retrieve(name)
    said = [[message["content"] for message in body["messages"]] for body in backend.bodies]
    assert said[1] == ["2+2?", "four", "sure?"]
    assert said[2] == ["2+2?", "four", "sure?", "four", "so?"]
    assert said[3] == ["four", "hm"]
    assert [getattr(item, "role", None) for item in items] == ["user", "assistant", "user"]


async def test_without_a_record_answers_can_still_be_referred_to() -> None:
    async with before() as (asking, backend):
        first = await asking.responses.create(model="fake", input="2+2?", extra_body=SMALL)
        items: Any = [
            {"role": "user", "content": "2+2?"},
            {"type": "item_reference", "id": first.output[-1].id},
            {"role": "user", "content": "sure?"},
        ]
        await asking.responses.create(model="fake", input=items, extra_body=SMALL)
    assert [message["content"] for message in backend.bodies[3]["messages"]] == ["2+2?", "four", "sure?"]


async def test_what_is_passed_on_plainly_is_the_backends_own() -> None:
    answer = {"id": "resp_theirs", "object": "response", "output": [], "odd": 1.50}
    asked: dict[str, Any] = {"model": "fake", "input": "2+2?", "previous_response_id": "resp_theirs", "odd": {"a": 1}}
    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        backend.other["/v1/responses"] = send(answer)
        backend.other["/v1/responses/resp_theirs"] = send(answer | {"got": True})
        assert await post(served, "/v1/responses", asked | {"rsa": False}) == answer
        async with aiohttp.ClientSession() as session, session.get(f"{served.url}/v1/responses/resp_theirs") as got:
            assert await got.json() == answer | {"got": True}
    assert backend.bodies == []


async def post(served: Served, path: str, body: object) -> Any:
    async with aiohttp.ClientSession() as session, session.post(served.url + path, json=body) as answer:
        assert answer.status == 200
        return await answer.json()
