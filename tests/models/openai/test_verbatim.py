"""Replies and streams as the server sent them, and bodies that are forwarded as they are."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from openai_faults import FaultServer, completion, hang, refuse, reset, send, stream

from selfagg.errors import ModelError
from selfagg.models.openai import OpenAIModel
from selfagg.models.openai.discovery import IMAGE_TOKENS, estimate_tokens
from selfagg.models.pace import RetryPolicy
from selfagg.types import Delta, Question, Reply, Request, Sampling

REQUEST = Request(
    ({"role": "user", "content": "2 + 2?"},), Sampling(max_tokens=20), 1, Question("q", "2 + 2?"), verbatim=True
)
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}


def connect(server: FaultServer) -> OpenAIModel:
    return OpenAIModel("fake", base_urls=[server.url], api_key="key", timeout_s=0.5, retries=RetryPolicy(tries=1))


async def test_a_whole_reply_keeps_its_choice_where_asked_for() -> None:
    choice = {"message": {"role": "assistant", "content": None, "tool_calls": [CALL]}, "finish_reason": "tool_calls"}
    async with FaultServer(*[send(completion() | {"choices": [choice]})] * 2) as server, connect(server) as model:
        asked, plain = await model.sample(REQUEST), await model.sample(replace(REQUEST, verbatim=False))
    assert asked.choice == choice
    assert plain.choice is None


async def test_a_streamed_reply_joins_the_pieces_of_its_tool_calls() -> None:
    def event(finish: str | None = None, **delta: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    def piece(**function: str) -> dict[str, Any]:
        return {"index": 0, "function": function}

    events = [
        event(role="assistant", content=""),
        event(tool_calls=[piece(name="add", arguments="") | {"id": "c1", "type": "function"}]),
        event(tool_calls=[piece(arguments='{"a":')]),
        event(tool_calls=[piece(arguments=" 2}")]),
        event("tool_calls"),
    ]
    async with FaultServer(stream(events)) as server, connect(server) as model:
        items = [item async for item in model.stream(REQUEST)]
    *deltas, reply = items
    assert isinstance(reply, Reply)
    assert reply.choice
    assert reply.choice["message"]["tool_calls"] == [CALL]
    assert reply.choice["finish_reason"] == "tool_calls"
    assert [delta.choice for delta in deltas if isinstance(delta, Delta)] == [e["choices"][0] for e in events]


async def test_a_forwarded_body_and_its_answer_are_left_as_they_are() -> None:
    body = {"model": "mine", "messages": [], "anything": {"x": [1, 2.5, None]}, "seed": 2**63}
    answer = completion("four", extra=True) | {"odd": "field"}
    async with FaultServer(send(answer)) as server, connect(server) as model, model.forward(body) as answered:
        got = b"".join([chunk async for chunk in answered.body])
    assert json.loads(got) == answer
    assert answered.status == 200
    assert server.bodies == [body | {"model": "fake"}]
    assert server.headers[-1]["Authorization"] == "Bearer key"


async def test_a_forwarded_refusal_is_an_answer_too_and_another_key_can_be_named() -> None:
    async with FaultServer(refuse(418, "tea")) as server, connect(server) as model:
        async with model.forward({"messages": []}, key="theirs") as answered:
            got = b"".join([chunk async for chunk in answered.body])
        assert answered.status == 418
    assert json.loads(got) == {"error": {"message": "tea"}}
    assert server.headers[-1]["Authorization"] == "Bearer theirs"


@pytest.mark.parametrize(("fault", "status"), [(reset, None), (hang, 504)])
async def test_no_answer_says_of_which_kind(fault: Any, status: int | None) -> None:
    async with FaultServer(fault) as server, connect(server) as model:
        with pytest.raises(ModelError) as lost:
            async with model.forward({"messages": []}):
                pass
        assert lost.value.status == status
        await asyncio.sleep(0.1)
        assert server.open == 0


def test_an_images_bytes_are_not_taken_for_text() -> None:
    def turn(data: str) -> dict[str, Any]:
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
        return {"role": "user", "content": [{"type": "text", "text": "data: 4"}, image]}

    small, large = estimate_tokens([turn("A" * 10)]), estimate_tokens([turn("A" * 1_000_000)])
    assert small == large
    assert small > estimate_tokens([{"role": "user", "content": "data: 4"}]) + IMAGE_TOKENS
