"""The wire format: whatever a server sends is read as a reply or refused, never a crash."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.models.openai.refusal import Refusal
from selfagg.models.openai.wire import plain, read_reply, read_usage
from selfagg.models.retries import TransientError
from selfagg.types import Reply, Stop, Usage


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
    lambda some: st.lists(some) | st.dictionaries(_NAMES, some),
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
