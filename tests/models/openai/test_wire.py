"""The wire format: whatever a server sends is read as a reply or refused, never a crash."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_faults import FaultServer, half, hang, refuse, reset, stream

from selfagg.errors import ContextOverflow, ModelError
from selfagg.models.openai import OpenAIModel
from selfagg.models.openai.refusal import Refusal
from selfagg.models.openai.wire import (
    DONE,
    EventReader,
    ReplyAssembly,
    Unfinished,
    plain,
    read_reply,
    read_usage,
)
from selfagg.models.pace import RetryPolicy, TransientError
from selfagg.types import Delta, Question, Reply, Request, Sampling, Stop, Usage


def answer(message: object, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": "stop"} | choice]}


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": "4"}, "4", ""),
        ({"content": None}, "", ""),
        ({"content": "4", "reasoning": "2 and 2"}, "4", "2 and 2"),
        ({"content": "4", "reasoning_content": "2 and 2"}, "4", "2 and 2"),
        ({"content": "4", "reasoning": None, "reasoning_content": "2 and 2"}, "4", "2 and 2"),
        ({"content": None, "reasoning": "cut while"}, "", "cut while"),
        ({"content": "<think>2 and 2</think>4"}, "4", "2 and 2"),
        ({"content": None, "refusal": "I will not."}, "I will not.", ""),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "2 and 2"}]},
                    {"type": "text", "text": "4"},
                ]
            },
            "4",
            "2 and 2",
        ),
        ({"content": 4}, "", ""),
        (None, "", ""),
    ],
)
def test_text_and_reasoning(message: object, text: str, reasoning: str) -> None:
    reply = read_reply(answer(message), seconds=1.0)
    assert (reply.text, reply.reasoning, reply.seconds) == (text, reasoning, 1.0)


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("stop", Stop.FINISHED),
        (None, Stop.FINISHED),
        ("eos", Stop.FINISHED),
        ("length", Stop.LENGTH),
        ("MAX_TOKENS", Stop.LENGTH),
        ("content_filter", Stop.FILTERED),
        ("SAFETY", Stop.FILTERED),
        ("sensitive", Stop.FILTERED),
        ("RECITATION", Stop.FILTERED),
        ("PROHIBITED_CONTENT", Stop.FILTERED),
        ("refusal", Stop.FILTERED),
        ("end_turn", Stop.FINISHED),
        ("", Stop.FINISHED),
        ("went for a walk", Stop.UNKNOWN),
        (7, Stop.UNKNOWN),
    ],
)
def test_why_it_stopped(finish: str | None, stop: Stop) -> None:
    assert read_reply(answer({"content": "4"}, finish_reason=finish), seconds=0).stop is stop


@pytest.mark.parametrize("finish", ["abort", "error", "insufficient_system_resource", "network_error"])
def test_a_reply_that_the_server_broke_off_is_none(finish: str) -> None:
    with pytest.raises(TransientError, match="broke"):
        read_reply(answer({"content": "4"}, finish_reason=finish), seconds=0)


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (None, Usage(unknown=1)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(unknown=1)),
        ({"input_tokens": 5, "output_tokens": 2}, Usage(5, 0, 2, 0)),
        ({"total_tokens": 7, "completion_tokens": 2}, Usage(5, 0, 2, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(5, 0, 2, 0)),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            Usage(5, 3, 9, 7),
        ),
        ({"prompt_tokens": 5, "prompt_cache_hit_tokens": 4}, Usage(5, 4, 0, 0)),
        ({"prompt_tokens": -1, "completion_tokens": "many"}, Usage(unknown=1)),
    ],
)
def test_usage(usage: object, read: Usage) -> None:
    assert read_usage(usage, "text") == read


def test_log_probabilities() -> None:
    tokens = {"content": [{"token": "4", "logprob": -0.5}, {"token": ".", "logprob": -1}]}
    assert read_reply(answer({"content": "4."}, logprobs=tokens), seconds=0).logprobs == (-0.5, -1.0)
    assert read_reply(answer({"content": "4."}, logprobs=None), seconds=0).logprobs is None


@given(st.text(st.characters()))
def test_text_can_always_be_stored(text: str) -> None:
    assert plain(text).encode("utf-8").decode() == plain(text)


def test_only_what_cannot_be_stored_is_changed() -> None:
    assert plain("\ud83d\ude00 漢字 e\u0301 \ufeff") == "\U0001f600 漢字 e\u0301 \ufeff"
    assert plain("a\ud800b") == "a\ufffdb"


_NAMES = st.sampled_from(
    [
        "choices",
        "message",
        "content",
        "reasoning",
        "finish_reason",
        "usage",
        "logprobs",
        "prompt_tokens",
        "text",
        "type",
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda some: st.lists(some, max_size=4) | st.dictionaries(_NAMES, some, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40)
@given(_JSON | st.fixed_dictionaries({"choices": st.lists(st.dictionaries(_NAMES, _JSON), min_size=1)}))
def test_any_answer_is_a_reply_or_refused(sent: object) -> None:
    try:
        reply = read_reply(sent, seconds=0)
    except (TransientError, Refusal):
        return
    assert isinstance(reply, Reply)


def answered(content: object, **more: object) -> dict[str, object]:
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop"} | more]}


def test_numbers_beyond_all_measure_are_no_numbers() -> None:
    usage = {"prompt_tokens": 10**30, "completion_tokens": 7}
    logprobs = {"content": [{"logprob": -(10**400)}, {"logprob": float("nan")}, {"logprob": -0.5}]}
    reply = read_reply(answered("a", logprobs=logprobs) | {"usage": usage}, seconds=1.0)
    assert reply.usage == Usage(completion=7)
    assert reply.logprobs == (-0.5,)


def test_thoughts_within_thoughts_to_any_depth_are_nobodys() -> None:
    inner: object = "deep"
    for _ in range(5_000):
        inner = {"type": "thinking", "thinking": [inner]}
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, inner]}
    reply = read_reply(answered([thinking, {"type": "text", "text": "a"}]), seconds=1.0)
    assert (reply.reasoning, reply.text) == ("hm", "a")


def test_nothing_at_all_with_a_reason_nobody_knows_is_no_reply() -> None:
    with pytest.raises(TransientError, match="MALFORMED_RESPONSE"):
        read_reply(answer({"content": ""}, finish_reason="MALFORMED_RESPONSE"), seconds=0.0)
    assert read_reply(answer({"content": "4"}, finish_reason="new_reason"), seconds=0.0).stop is Stop.UNKNOWN


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


def parsed(data: bytes, cuts: Sequence[int] = ()) -> list[object]:
    reader, events, at = EventReader(), list[object](), 0
    for cut in [*cuts, len(data)]:
        events += reader.feed(data[at : at + cut])
        at += cut
    return events + list(reader.rest())


STREAMS = [
    (b'data: {"a": 1}\n\ndata: [DONE]\n\n', [{"a": 1}, DONE]),
    (b'data:{"a": 1}\r\n\r\ndata:[DONE]\r\n\r\n', [{"a": 1}, DONE]),
    (b'data: {"a": 1}\r\rdata: 2\r\r', [{"a": 1}, 2]),
    (b'\xef\xbb\xbfdata: {"a": 1}\n\n', [{"a": 1}]),
    (b': ping\n\n: OPENROUTER PROCESSING\n\ndata: 1\n\n', [1]),
    (b'retry: 3000\n\nid: 0\ndata: 1\n\nid: 1\nevent: message\ndata: 2\n\n', [1, 2]),
    (b'data: {"a":\ndata: 1}\n\n', [{"a": 1}]),
    (b'data:\n\ndata: \n\ndata\n\ndata: 1\n\n', [1]),
    (b'data: 1\n\ndata: 2', [1, 2]),
    (b'data: {"a": 1}\ndata: {"a": 2}\n\ndata: [DONE]', [{"a": 1}, {"a": 2}, DONE]),
    (b'\n\n\ndata: "Gr\xc3\xbc\xc3\x9fe"\n\n', ["Grüße"]),
    (b'{"a": 1}', [{"a": 1}]),
    (b'\n\n {"a":\n 1}\n', [{"a": 1}]),
    (b'[{"a": 1}]', [[{"a": 1}]]),
    (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
    (b'', []),
    (b': only comments\n\n', []),
]  # fmt: skip


@pytest.mark.parametrize(("data", "events"), STREAMS)
def test_what_a_stream_holds(data: bytes, events: list[object]) -> None:
    assert parsed(data) == events
    assert parsed(data, [1] * len(data)) == events


@given(st.sampled_from(STREAMS), st.lists(st.integers(1, 9), max_size=60))
def test_the_chunks_do_not_matter(stream: tuple[bytes, list[object]], cuts: list[int]) -> None:
    assert parsed(stream[0], cuts) == stream[1]


@given(st.lists(st.text(), max_size=5), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(1, 9), max_size=60))
def test_any_text_arrives(texts: list[str], newline: str, cuts: list[int]) -> None:
    data = "".join(f"data: {json.dumps(text, ensure_ascii=False)}{newline * 2}" for text in texts)
    assert parsed(data.encode("utf-8", "replace"), cuts) == [text.encode("utf-8", "replace").decode() for text in texts]


@pytest.mark.parametrize("data", [b"data: {\n\n", b"<html>Welcome</html>", b"{", b"data: nonsense\n\n"])
def test_what_is_no_json_is_a_fault(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are those of json
        parsed(data)


def test_a_page_is_kept_for_the_message() -> None:
    reader = EventReader()
    assert not list(reader.feed(b"  <html>Welc"))
    assert not list(reader.feed(b"ome</html>"))
    assert reader.page.strip() == "<html>Welcome</html>"
