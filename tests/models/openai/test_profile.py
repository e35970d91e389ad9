"""What is learnt of a server, from its own words: the words are those of public reports, the servers are named."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from selfagg.models.openai.discovery import estimate_tokens
from selfagg.models.openai.profile import NEUTRAL, Profile
from selfagg.models.openai.refusal import Refusal, refusal
from selfagg.types import Question, Reply, Request, Sampling, Stop, Usage

ENGINE = NEUTRAL["vllm"]


def ask(text: str = "2 + 2?", **sampling: Any) -> Request:
    options: dict[str, Any] = {"max_tokens": 8192} | sampling
    return Request(({"role": "user", "content": text},), Sampling(**options), 7, Question("q", text))


def refused(status: int, body: object) -> Refusal:
    return refusal(status, body if isinstance(body, str) else json.dumps(body), {}, [])


def openai(message: str, param: str | None = None, code: str | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code} | more}


def learnt(status: int, body: object, *, stream: bool = False, **sampling: Any) -> dict[str, Any] | None:
    """The body that goes out after this refusal, or None where it is of no use."""
    profile = Profile("http://host/v1")
    profile.fields = ENGINE
    request: Request | None = ask(**sampling)
    assert request is not None
    sent = profile.body("m", request, stream=stream)
    request = profile.learn(refused(status, body), request, sent)
    return (
        None if request is None else profile.body("m", request, stream=profile.streams(request) if not stream else True)
    )


FIELDS = [
    ("OpenAI", 400, openai("Unrecognized request argument supplied: seed"), "seed"),
    ("Gemini", 400, [openai('Invalid JSON payload received. Unknown name "seed": Cannot find field.')], "seed"),
    ("Mistral", 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra"}]}, "seed"),
    (
        "LiteLLM",
        500,
        openai("ollama does not support parameters: {'seed': 1}, for model=x. To drop these, set"),
        "seed",
    ),
    ("NIM", 422, {"title": "Unprocessable Entity", "detail": "body -> seed\n  Extra inputs are not permitted"}, "seed"),
    (
        "Azure's reasoning models",
        400,
        openai("'temperature' is not supported with this model.", "model"),
        "temperature",
    ),
    (
        "o1",
        400,
        openai("Unsupported value: 'temperature' does not support 1.0 with this model.", "temperature"),
        "temperature",
    ),
    ("Azure", 400, openai("Unrecognized request argument supplied: stream_options"), "stream_options"),
    ("Anthropic", 400, openai("`temperature` and `top_p` cannot both be specified for this model."), "top_p"),
    ("vLLM", 400, openai("Requested sample logprobs is not supported: logprobs must be"), "logprobs"),
    ("Groq", 400, openai("property 'top_k' is unsupported", code="unsupported_parameter"), "top_k"),
    ("a strict gateway", 400, {"message": 'json: unknown field "min_p"'}, "min_p"),
    (
        "Fireworks",
        400,
        {"error": "Extra inputs are not permitted, field: 'repetition_penalty', value: 1.0"},
        "repetition_penalty",
    ),
    (
        "xAI",
        400,
        {"code": "Client specified an invalid argument", "error": "Argument not supported on this model: stop"},
        "stop",
    ),
    ("Grok's reasoning models", 400, openai("Model m does not support parameter stop.", "stop"), "stop"),
    (
        "DashScope",
        400,
        openai("<400> InternalError.Algo.InvalidParameter: 'seed' must be Integer in [0, 2^31-1]"),
        "seed",
    ),
    (
        "a gateway of a gateway",
        400,
        openai(
            "Provider returned error", code="400", metadata={"raw": json.dumps(openai("Unknown parameter: 'seed'."))}
        ),
        "seed",
    ),
]


@pytest.mark.parametrize(("server", "status", "body", "field"), FIELDS)
def test_a_field_that_is_refused_is_left_out(server: str, status: int, body: object, field: str) -> None:
    sampling: dict[str, Any] = {"logprobs": True, "stop": ("END",)}
    again = learnt(status, body, stream=True, **sampling)
    assert again is not None
    assert field not in again
    assert {"model", "messages", "max_tokens", "stream"} <= set(again)


@pytest.mark.parametrize(
    ("message", "sampling"),
    [
        ("temperature is not supported", {"temperature": 0.5}),
        ("'top_p' is not supported", {"top_p": 0.5}),
        ("'seed' is not supported", {"extra_body": {"seed": 4}}),
        ("'reasoning_effort' is not supported", {"reasoning_effort": "high"}),
        ("'top_k' is not supported", {"extra_body": {"top_k": 4}}),
    ],
)
def test_a_wish_is_never_dropped_in_silence(message: str, sampling: dict[str, Any]) -> None:
    assert learnt(400, openai(message), **sampling) is None


def test_a_refused_wish_ends_everything_and_names_its_option() -> None:
    request = ask(reasoning_effort="high")
    profile = Profile("host")
    found = refused(400, openai("Unsupported parameter: 'reasoning_effort'"))
    body = profile.body("m", request, stream=False)
    assert profile.learn(found, request, body) is None
    error = found.error("host", proven=False, hint=profile.wish_refused(found, body))
    assert getattr(error, "fatal", False)
    assert "--reasoning-effort" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        openai("The response was filtered due to the prompt", param="prompt", code="content_filter"),
        openai("please stop sending requests with this seed of doubt, says the policy"),
        openai("invalid role in messages[0]"),
        "",
        {},
    ],
)
def test_a_refusal_that_is_about_nothing_of_ours_teaches_nothing(body: object) -> None:
    assert learnt(400, body) is None


LENGTHS = [
    (
        openai(
            "max_tokens is too large: 8192. This model supports at most 4096 completion tokens, "
            "whereas you provided 8192.",
            "max_tokens",
        ),
        4096,
    ),
    (openai("Invalid max_tokens value, the valid range of max_tokens is [1, 4096]"), 4096),
    (openai("<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 2000]"), 2000),
    (openai("max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens for claude-3-haiku"), 4096),
    (
        openai(
            "`max_tokens` must be less than or equal to `4096`, the maximum value for `max_tokens` is less than the"
            " `context_window` for this model"
        ),
        4096,
    ),
    (
        openai(
            "The parameter `max_tokens` specified in the request are not valid: integer above maximum value, expected a"
            " value <= 4096, but got 8192 instead. Request id: 0217752964393142fa50af",
            "max_tokens",
        ),
        4096,
    ),
    (
        openai("Param Incorrect", "max_tokens is too large: 8192. This model supports at most 1024 completion tokens"),
        1024,
    ),
    (
        {
            "code": "validation_failed",
            "errors": [
                {"description": "The max tokens must be between 1 and 5000.", "context": {"attribute": "max_tokens"}}
            ],
        },
        5000,
    ),
    (openai("max_output_tokens must be from 1 (inclusive) to 4097 (exclusive)"), 4096),
    (openai("The maximum tokens you requested exceeds the model limit of 4096. Try again with a lower maximum"), 4096),
]


@pytest.mark.parametrize(("body", "most"), LENGTHS)
def test_a_limit_on_replies_is_kept_to(body: object, most: int | None) -> None:
    again = learnt(400, body)
    assert (again and again["max_tokens"]) == most


def test_the_name_of_the_limit_is_learnt() -> None:
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    again = learnt(400, openai(words, "max_tokens", "unsupported_parameter"))
    assert again is not None
    assert "max_tokens" not in again
    assert again["max_completion_tokens"] == 8192


CONTEXTS = [
    (
        400,
        openai(
            "This model's maximum context length is 4096 tokens. However, you requested 8204 tokens (12 in the"
            " messages, 8192 in the completion). Please reduce the length of the messages or completion."
        ),
        4052,
    ),
    (
        400,
        openai(
            "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 4096"
            " tokens and your request has 12 input tokens (8192 > 4096 - 12)."
        ),
        4052,
    ),
    (
        400,
        openai(
            "This endpoint's maximum context length is 4096 tokens. However, you requested about 8204 tokens (12 of"
            " text input, 8192 in the output). Please reduce the length of either one"
        ),
        4052,
    ),
    (
        413,
        openai(
            "Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute (TPM):"
            " Limit 6000, Requested 8204, please reduce your message size and try again."
        ),
        5956,
    ),
    (
        429,
        openai(
            "Request too large for gpt-4 in organization org-x on tokens per min (TPM): Limit 8000, Requested 8204."
            " The input or output tokens must be reduced in order to run successfully."
        ),
        7956,
    ),
]


@pytest.mark.parametrize(("status", "body", "room"), CONTEXTS)
def test_the_room_for_a_reply_shrinks_where_the_prompt_is_short(status: int, body: object, room: int) -> None:
    again = learnt(status, body)
    assert again is not None
    assert again["max_tokens"] == room


def test_where_the_prompt_fills_the_context_the_request_is_not_sent_again() -> None:
    profile, request = Profile("host"), ask("word " * 5000)
    body = profile.body("m", request, stream=False)
    found = refused(
        400, openai("This model's maximum context length is 4096 tokens. However, your messages resulted in 5008")
    )
    assert profile.learn(found, request, body) is None
    assert profile.context == 4096


@pytest.mark.parametrize(
    ("message", "param", "stream", "then"),
    [
        (
            "This model only support stream mode, please enable the stream parameter to access the model.",
            None,
            False,
            True,
        ),
        ("Streaming is required for this model", None, False, True),
        ("Stream must be set to true", None, False, True),
        ("Non-streaming requests are not supported", None, False, True),
        (
            "Unsupported value: 'stream' does not support true with this model. Supported values: false.",
            "stream",
            True,
            False,
        ),
        ("Your organization must be verified to stream this model.", None, True, False),
        ("This value is not for you", "stream", True, False),
        ("streaming is not supported for this model", None, True, False),
        ("Streaming not available", None, True, False),
        ("This model does not support streaming.", None, True, False),
    ],
)
def test_whether_to_stream_is_learnt(message: str, param: str | None, stream: bool, then: bool) -> None:
    profile, request = Profile("host"), ask()
    again = profile.learn(refused(400, openai(message, param)), request, profile.body("m", request, stream=stream))
    assert again is request
    assert profile.streams(request) is then


def test_calls_in_flight_while_streaming_is_refused_all_go_out_again() -> None:
    profile, request = Profile("host"), ask()
    body = profile.body("m", request, stream=True)
    refusal = refused(400, openai("streaming is not supported for this model"))
    assert [profile.learn(refusal, request, body) for _ in range(3)] == [request] * 3
    assert profile.learn(refusal, request, profile.body("m", request, stream=False)) is None


def test_a_lesson_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    profile, request = Profile("http://host/v1"), ask()
    body = profile.body("m", request, stream=False)
    for _ in range(3):
        assert profile.learn(refused(400, openai("unknown field 'seed'")), request, body)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "http://host/v1 refuses seeds" in caplog.text


class TestSampling:
    def test_what_the_server_would_fill_in_is_switched_off(self) -> None:
        profile = Profile()
        profile.fields = ENGINE
        body = profile.body("m", ask(), stream=False)
        assert (body["top_p"], body["top_k"], body["min_p"], body["repetition_penalty"]) == (1.0, -1, 0.0, 1.0)

    def test_what_is_asked_for_wins(self) -> None:
        profile = Profile()
        profile.fields = ENGINE
        body = profile.body("m", ask(top_p=0.9, extra_body={"top_k": 5}), stream=False)
        assert (body["top_p"], body["top_k"]) == (0.9, 5)

    def test_the_servers_own(self) -> None:
        profile = Profile()
        profile.fields = ENGINE
        body = profile.body("m", ask(server_defaults=True), stream=False)
        assert not {"top_p", "top_k", "min_p", "repetition_penalty"} & set(body)
        assert profile.body("m", ask(server_defaults=True, top_p=0.9), stream=False)["top_p"] == 0.9

    def test_an_unknown_server_gets_the_api_s_own_fields_alone(self) -> None:
        body = Profile().body("m", ask(), stream=False)
        assert set(body) == {"model", "messages", "stream", "temperature", "top_p", "max_tokens", "seed"}

    def test_extra_fields_win_over_settings_but_not_over_what_is_asked(self) -> None:
        extra: dict[str, Any] = {"seed": None, "min_p": 0.1, "stream": True, "messages": []}
        body = Profile().body("m", ask(max_tokens=None, extra_body=extra), stream=False)
        assert body == {
            "temperature": 1.0,
            "top_p": 1.0,
            "seed": None,
            "min_p": 0.1,
            "model": "m",
            "messages": [{"role": "user", "content": "2 + 2?"}],
            "stream": False,
        }


BODY: dict[str, Any] = {"stream": False}


class TestReplies:
    def test_a_stop_string_that_the_server_refuses_still_ends_the_reply(self) -> None:
        profile, request = Profile("host"), ask(stop=("END", "###"))
        sent = profile.body("m", request, stream=False)
        assert profile.learn(refused(400, openai("Argument not supported: 'stop'")), request, sent)
        assert "stop" not in profile.body("m", request, stream=False)
        assert profile.saw(Reply("four ### five END"), request, BODY).text == "four "
        assert profile.saw(Reply("four"), request, BODY).text == "four"

    @pytest.mark.parametrize(
        ("reply", "told"),
        [
            (Reply("", "so 4", Stop.FINISHED), True),
            (Reply("4", "so 4", Stop.FINISHED), False),
            (Reply("", "", Stop.FINISHED), False),
            (Reply("", "cut while thinking", Stop.LENGTH), False),
        ],
    )
    def test_an_answer_that_stands_in_the_reasoning_alone_is_told(
        self, reply: Reply, told: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        Profile("host").saw(reply, ask(), BODY)
        assert ("reasoning and no answer" in caplog.text) is told

    @pytest.mark.parametrize(
        ("counts", "context"),
        [([4096], 4096), ([1096], None), ([1096, 1096], 9288), ([6000], None), ([20_000], None), ([256], None)],
    )
    def test_a_prompt_that_the_server_cut_is_noticed(
        self, counts: list[int], context: int | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        profile = Profile("host")
        for i, count in enumerate(counts):
            request = ask("Let us think about it. " * (2000 + 200 * i))
            assert estimate_tokens(request.messages) > 20_000
            profile.saw(Reply("4", usage=Usage(count, 0, 5, 0)), request, BODY)
        assert profile.context == context
        assert ("cut a prompt" in caplog.text) is (context is not None)


class TestStreaming:
    def test_replies_are_streamed_except_from_programs_that_send_them_whole_well(self) -> None:
        profile = Profile()
        assert profile.streams(ask())
        profile.program = "vllm"
        assert not profile.streams(ask())
        profile.slow({"stream": False})
        assert profile.streams(ask())

    def test_a_server_that_tells_no_tokens_in_its_streams_is_asked_for_whole_replies(self) -> None:
        profile = Profile()
        profile.saw(Reply("4", usage=Usage(unknown=1)), ask(), {"stream": True})
        assert not profile.streams(ask())
        profile.slow({"stream": False})
        assert profile.streams(ask())

    def test_streams_that_never_say_that_they_are_whole_are_given_up(self) -> None:
        profile = Profile()
        profile.unfinished()
        profile.saw(Reply("4", usage=Usage(1, 0, 1, 0)), ask(), {"stream": True})
        profile.unfinished()
        assert profile.streams(ask())
        profile.unfinished()
        assert not profile.streams(ask())
