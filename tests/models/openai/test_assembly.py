"""Replies that arrive in pieces: from a server that misbehaves, and from a real llama.cpp."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "servers"))
from openai_faults import FaultServer, half, hang, refuse, reset, stream

from selfagg.errors import ContextOverflow, ModelError
from selfagg.models.openai import OpenAIModel
from selfagg.models.openai.assembly import Delta, ReplyAssembly, Thinking, Unfinished
from selfagg.models.openai.sse import DONE
from selfagg.models.retries import RetryPolicy
from selfagg.types import Question, Reply, Request, Sampling, Stop, Usage

REQUEST = Request(({"role": "user", "content": "2 + 2?"},), Sampling(max_tokens=20), 1, Question("q", "2 + 2?"))


def connect(server: FaultServer) -> OpenAIModel:
    retries = RetryPolicy(tries=4, first_s=0.01)
    return OpenAIModel("fake", base_urls=[server.url], api_key="key", timeout_s=0.5, retries=retries)


def event(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


async def read(model: OpenAIModel) -> tuple[list[Delta], Reply]:
    items = [item async for item in model.stream(REQUEST)]
    (reply,) = [item for item in items if isinstance(item, Reply)]
    assert reply is items[-1]
    return [item for item in items if isinstance(item, Delta)], reply


async def test_pieces_and_the_whole() -> None:
    async with FaultServer() as server, connect(server) as model:
        deltas, reply = await read(model)
    assert deltas == [Delta("fo"), Delta("u"), Delta("r")]
    assert (reply.text, reply.stop, reply.usage, reply.tries) == ("four", Stop.FINISHED, Usage(11, 0, 3, 0), 1)
    assert server.bodies[0]["stream_options"] == {"include_usage": True}


async def test_the_beginning_is_tried_again() -> None:
    server = FaultServer(refuse(503), reset, hang)
    async with server, connect(server) as model:
        _, reply = await read(model)
    assert (reply.text, reply.tries) == ("four", 4)


@pytest.mark.parametrize(
    "fault",
    [
        stream([event(content="fo")], drop=True),
        stream([event(content="fo"), {"error": {"message": "out of memory"}}]),
        stream([event(content="fo"), event("abort")]),
    ],
)
async def test_what_was_handed_out_is_not_taken_back(fault: Any) -> None:
    server = FaultServer(fault)
    got: list[Delta | Reply] = []

    async def collect(model: OpenAIModel) -> None:
        async for item in model.stream(REQUEST):
            got.append(item)  # noqa: PERF401 - what came before the error counts

    async with server, connect(server) as model:
        with pytest.raises(ModelError, match="the reply broke off"):
            await collect(model)
    assert got == [Delta("fo")]


async def test_refusals_are_the_same_as_without_streaming() -> None:
    server = FaultServer(
        refuse(400, "too long", code="context_length_exceeded"), refuse(400, "seed unknown", param="seed")
    )
    async with server, connect(server) as model:
        with pytest.raises(ContextOverflow):
            await read(model)
        await read(model)
    assert ["seed" in body for body in server.bodies] == [True, True, False]


async def test_half_a_reply_is_no_stream() -> None:
    server = FaultServer(half)
    async with server, connect(server) as model:
        _, reply = await read(model)
    assert reply.tries == 2


async def test_reasoning_in_either_field_and_log_probabilities() -> None:
    tokens = {"content": [{"token": "4", "logprob": -0.5}]}
    last = event("length", content="4")
    last["choices"][0]["logprobs"] = tokens
    server = FaultServer(
        stream([event(role="assistant", content=""), event(reasoning_content="2"), event(reasoning="+2"), last])
    )
    async with server, connect(server) as model:
        deltas, reply = await read(model)
    assert deltas == [Delta(reasoning="2"), Delta(reasoning="+2"), Delta("4")]
    assert (reply.text, reply.reasoning, reply.stop, reply.logprobs) == ("4", "2+2", Stop.LENGTH, (-0.5,))


async def test_leaving_early_hangs_up() -> None:
    server = FaultServer(stream([event(content=str(i)) for i in range(1000)]))
    async with server, connect(server) as model:
        items = model.stream(REQUEST)
        assert await anext(items) == Delta("0")
        await items.aclose()
        assert (await model.sample(REQUEST)).text == "four"


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([event(content="fo"), event(content="ur"), {"choices": [{"message": {"content": "four"}}]}], "four"),
        ([{"choices": [{"message": {"content": "four"}, "finish_reason": "stop"}]}], "four"),
        ([event(content=[{"type": "text", "text": "four"}]), event("stop")], "four"),
        ([event(content="four"), event(""), DONE], "four"),
        ([{"choices": [{"text": "four", "finish_reason": "eos"}]}], "four"),
        ([{"choices": [{"delta": None}]}, event(content="four"), event("stop"), {"choices": []}], "four"),
    ],
)
def test_streams_as_servers_send_them(events: list[object], text: str) -> None:
    assembly = ReplyAssembly()
    shown = [delta for one in events for delta in assembly.add(one)] + list(assembly.rest())
    assert "".join(delta.text for delta in shown) == assembly.reply(seconds=1.0).text == text
    assert assembly.reply(seconds=1.0).stop is Stop.FINISHED


@pytest.mark.parametrize(
    "last",
    [
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
        {"choices": [{"delta": {}, "usage": {"prompt_tokens": 5, "completion_tokens": 2}}]},
        {"choices": [], "x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 2}}},
    ],
)
def test_usage_stands_anywhere(last: object) -> None:
    assembly = ReplyAssembly()
    for one in (event(content="four"), event("stop"), last, {"choices": [], "usage": None}):
        assembly.take(one)
    assert assembly.reply(seconds=1.0).usage == Usage(5, 0, 2, 0)


def test_a_stream_that_says_nothing_of_its_end_is_not_whole() -> None:
    assembly = ReplyAssembly()
    assembly.take(event(content="fo"))
    with pytest.raises(Unfinished):
        assembly.reply(seconds=1.0)
    assert not assembly.whole


async def test_a_real_server(llama_server: str) -> None:
    async with OpenAIModel("smollm2", base_urls=[llama_server], api_key="none") as model:
        deltas, reply = await read(model)
    assert len(deltas) > 3
    assert "".join(delta.text for delta in deltas) == reply.text
    assert reply.usage.completion > 3
    assert reply.usage.prompt > 10


def test_a_tool_call_in_pieces_of_different_kinds_is_no_fault() -> None:
    assembly = ReplyAssembly(verbatim=True)
    for arguments in (5, "x", None, "y"):
        call = {"index": 0, "function": {"name": "f", "arguments": arguments}}
        list(assembly.add({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "stop"}]}))
    assert assembly.reply(seconds=1.0).choice is not None


@pytest.mark.parametrize(("pieces", "text"), [([" "] * 3 + ["a"], "   a"), (["\n", " <think>", "r</think>\n b"], "b")])
def test_space_before_the_first_word_is_kept_until_it_is_known_what_it_is(pieces: list[str], text: str) -> None:
    thinking = Thinking()
    deltas = [delta for piece in pieces for delta in thinking.feed(piece)] + list(thinking.rest())
    assert "".join(delta.text for delta in deltas) == text
    only = Thinking()
    assert not list(only.feed("  "))
    assert [delta.text for delta in only.rest()] == ["  "]
