"""What servers say when they refuse, as each of them says it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.errors import ContextOverflow, ModelError
from selfagg.models.openai.refusal import (
    LONGEST_MESSAGE,
    Refusal,
    asked_wait,
    error_status,
    refusal,
    tidy,
    wait_in_words,
    without_keys,
)
from selfagg.models.pace import TransientError

OVERFLOWS: list[tuple[str, int, dict[str, Any]]] = [
    ("OpenAI", 400, {"message": "Your input is too long.", "code": "context_length_exceeded", "param": "messages"}),
    (
        "OpenAI, older",
        400,
        {"message": "This model's maximum context length is 4097 tokens. However, you requested 4226"},
    ),
    ("vLLM", 400, {"message": "your prompt contains at least 4097 input tokens", "param": "input_tokens", "code": 400}),
    (
        "llama.cpp",
        400,
        {
            "code": 400,
            "message": "request (6031 tokens) exceeds it",
            "type": "exceed_context_size_error",
            "n_ctx": 4096,
        },
    ),
    ("llama.cpp, older", 500, {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}),
    ("SGLang", 400, {"message": "The input (61709 tokens) is longer than the model's context length (40960 tokens)."}),
    ("SGLang, total", 400, {"message": "Requested token count exceeds the model's maximum context length of 4096"}),
    ("Ollama", 400, {"message": "the input length exceeds the context length"}),
    (
        "TGI",
        422,
        {"message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 9000"},
    ),
    ("Anthropic", 400, {"message": "prompt is too long: 210000 tokens > 200000 maximum"}),
    ("Gemini", 400, {"message": "The input token count (9) exceeds the maximum number of tokens allowed (8)."}),
]


@pytest.mark.parametrize(("server", "status", "error"), OVERFLOWS)
def test_a_prompt_too_long_in_every_dialect(server: str, status: int, error: dict[str, Any]) -> None:
    found = refusal(status, json.dumps({"error": error}), {}, [])
    assert found.overflow
    assert isinstance(found.error(server, proven=True), ContextOverflow)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "max_tokens=5000 cannot be greater than max_model_len=4096"),
        (400, "temperature must be non-negative"),
        (429, "Rate limit reached: tokens per minute exceeded"),
        (503, "Loading model"),
        (400, "ThrottlingException: Too many tokens, please wait before trying again."),
        (404, "The model `context` does not exist"),
    ],
)
def test_other_refusals_are_no_overflow(status: int, message: str) -> None:
    assert not refusal(status, json.dumps({"error": {"message": message}}), {}, []).overflow


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error": {"message": "plain"}}', "plain"),
        ('{"message": "SGLang and older vLLM", "object": "error"}', "SGLang and older vLLM"),
        ('{"error": "Ollama, a string"}', "Ollama, a string"),
        ('{"detail": "FastAPI"}', "FastAPI"),
        ('{"detail": [{"loc": ["body", "seed"], "msg": "extra"}, {"msg": "many"}, 1]}', "body.seed: extra: many"),
        ("<html><head><title>502</title></head><body><h1>Bad  Gateway</h1>\n</body></html>", "Bad Gateway"),
        ("just text", "just text"),
        ("404: Not Found", "404: Not Found"),
        ("", ""),
        ("[1, 2]", ""),
        ("null", ""),
    ],
)
def test_the_servers_own_words_are_found(body: str, message: str) -> None:
    assert refusal(400, body, {}, []).message == message


@pytest.mark.parametrize(
    ("status", "passes"), [(400, False), (404, False), (409, True), (429, True), (500, True), (529, True)]
)
def test_which_statuses_pass(status: int, passes: bool) -> None:
    error = Refusal(status, "words").error("http://host/v1", proven=True)
    assert isinstance(error, TransientError if passes else ModelError)
    assert str(error) == f"http://host/v1 answered {status}: words"


@pytest.mark.parametrize(
    ("status", "message", "limit"),
    [
        (413, "request entity too large: limit 300 kB", None),
        (413, "Payload of 40000 exceeds the maximum of 20480", None),
        (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens.", 131072),
        (400, "exceeded model token limit: 262144 (requested: 300000)", 262144),
        (400, "Input tokens exceed the configured limit of 272,000 tokens.", 272000),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", 200000),
    ],
)
def test_the_limit_that_is_named(status: int, message: str, limit: int | None) -> None:
    found = Refusal(status, message)
    assert found.overflow
    assert found.limit == limit


@pytest.mark.parametrize(
    ("status", "message", "code", "wait_s", "fatal"),
    [
        (402, "Insufficient Balance", "", 0.0, True),
        (403, "Your credit balance is too low to access the API", "", 0.0, True),
        (400, "Budget has been exceeded! Current cost: 10, Max budget: 10", "budget_exceeded", 0.0, True),
        (429, "You exceeded your current quota, please check your plan and billing details", "", 0.0, True),
        (429, "You exceeded your current quota, please check your plan and billing details", "", 42.0, None),
        (429, "Rate limit reached for requests", "rate_limit_exceeded", 0.0, None),
        (403, "Rate limit exceeded for this key", "", 0.0, None),
        (400, "ThrottlingException: Too many requests, please wait", "", 0.0, None),
        (503, "Loading model", "", 0.0, None),
        (404, "Model is loading, try later", "", 0.0, None),
        (400, "bad request", "", 0.0, False),
        (403, "Your request was flagged by moderation", "", 0.0, False),
        (403, "You have no access to this model", "", 0.0, True),
        (407, "Proxy Authentication Required", "", 0.0, True),
    ],
)
def test_what_ends_a_run_and_what_passes(
    status: int, message: str, code: str, wait_s: float, fatal: bool | None
) -> None:
    error = Refusal(status, message, frozenset([code]), "", wait_s).error("host", proven=False)
    assert (error.fatal if isinstance(error, ModelError) else None) is fatal


def test_a_quota_used_up_does_not_pass() -> None:
    error = Refusal(429, "pay", frozenset({"insufficient_quota"})).error("host", proven=True)
    assert isinstance(error, ModelError)
    assert error.fatal


@given(st.text(), st.text(min_size=8), st.text())
def test_a_key_is_never_repeated(before: str, key: str, after: str) -> None:
    said = tidy(before + key + after, [key])
    assert key not in said or key in "***"
    assert len(said) <= LONGEST_MESSAGE
    assert "\n" not in said


def test_no_control_character_is_repeated() -> None:
    assert tidy("a\x1b[31mb\x00c\x9bd\r\ne", []) == "a [31mb c d e"


def test_whatever_looks_like_a_key_is_not_repeated() -> None:
    assert tidy("Incorrect API key provided: sk-proj-abc***xyz. See", []) == "Incorrect API key provided: *** See"


_NAMES = st.sampled_from(["error", "message", "detail", "code", "param", "loc", "msg"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda some: st.lists(some) | st.dictionaries(_NAMES, some)
)


@given(
    st.integers(400, 599),
    st.text() | _JSON.map(json.dumps),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text()),
)
def test_any_answer_can_be_read(status: int, body: str, headers: dict[str, str]) -> None:
    found = refusal(status, body, headers, ["key"])
    assert found.status == status
    assert found.wait_s >= 0
    assert isinstance(found.error("host", proven=False), TransientError | ModelError)


def test_a_throttled_call_passes_whatever_its_status() -> None:
    assert refusal(400, '{"message": "ThrottlingException: Too many tokens, please wait."}', {}, []).passing


@pytest.mark.parametrize(
    "error",
    [
        {"code": "DeploymentNotFound", "message": "Not here."},
        {"message": "The API deployment for this resource does not exist."},
    ],
)
def test_a_deployment_that_is_not_there_is_no_wrong_address(error: dict[str, Any]) -> None:
    assert refusal(404, json.dumps({"error": error}), {}, []).no_model


def test_the_length_that_a_request_has_is_read() -> None:
    words = "Please reduce the length of the messages or completion. Current length is 8292 while limit is 8192"
    found = refusal(400, json.dumps({"message": words}), {}, [])
    assert (found.limit, found.requested_tokens) == (8192, 8292)


DATE = "Sat, 28 Nov 2026 00:00:00 GMT"
NOON = int(datetime(2026, 11, 28, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "inf"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "20s"}, 20.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 01 Jan 2037 00:00:00 +99999999999999"}, 0.0),
        ({"Date": DATE, "Retry-After": "Sat, 28 Nov 2026 00:01:30 GMT"}, 90.0),
        ({"Date": DATE, "Retry-After": str(NOON + 15)}, 15.0),
        ({"x-ratelimit-reset-requests": "1m20s", "x-ratelimit-remaining-requests": "0"}, 80.0),
        (
            {
                "x-ratelimit-reset-requests": "24h0m0s",
                "x-ratelimit-remaining-requests": "99",
                "x-ratelimit-reset-tokens": "7.66s",
                "x-ratelimit-remaining-tokens": "0",
            },
            7.66,
        ),
        ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"Date": DATE, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str((NOON + 30) * 1000)}, 30.0),
        ({"Date": DATE, "anthropic-ratelimit-requests-reset": "2026-11-28T00:00:45Z"}, 45.0),
        ({"RateLimit-Reset": "12"}, 12.0),
        ({"x-ratelimit-limit-requests": "60"}, 0.0),
    ],
)
def test_headers(headers: dict[str, str], seconds: float) -> None:
    assert asked_wait(headers, {}, "") == pytest.approx(seconds)


def test_a_date_without_the_servers_clock() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < asked_wait({"retry-after": date}, {}, "") <= 100


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"retrydelay": "42s"}, 42.0),
        ({"retrydelay": "1.5s"}, 1.5),
        ({"estimated_time": 20.0}, 20.0),
        ({"retry_after": 7}, 7.0),
        ({"retry_after_ms": 250}, 0.25),
        ({"retry_after": "later"}, 0.0),
    ],
)
def test_fields(fields: dict[str, object], seconds: float) -> None:
    assert asked_wait({}, fields, "") == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 1m20.5s. Visit https://x.invalid/60s", 80.5),
        ("Rate limit exceeded: free-models-per-day. Try again in 50m.", 3000.0),
        ("You exceeded your current quota. Please retry in 41.90s.", 41.9),
        ("Please retry after 20 seconds.", 20.0),
        ("retry after 30", 30.0),
        ("Please wait 350ms before the next call", 0.35),
        ("Try again in 2 hours and 3 minutes", 7380.0),
        ("Please try again in 7m12s", 432.0),
        ("limit resets in 1 day", 86_400.0),
        ("Limit 6000, Used 5900, Requested 500", 0.0),
        ("try again later", 0.0),
        ("we will try again with 4o-mini", 0.0),
    ],
)
def test_words(words: str, seconds: float) -> None:
    assert wait_in_words(words) == pytest.approx(seconds)


def test_a_header_goes_before_the_body_and_the_body_before_words() -> None:
    words = "try again in 9s"
    assert asked_wait({"retry-after": "3"}, {"retrydelay": "6s"}, words) == 3.0
    assert asked_wait({"x-ratelimit-reset": "3"}, {"retrydelay": "6s"}, words) == 6.0
    assert asked_wait({"x-ratelimit-reset": "3"}, {}, words) == 9.0


@given(st.text(), st.text(), st.text())
def test_whatever_is_said_is_a_number_that_can_be_waited(header: str, field: str, words: str) -> None:
    wait = asked_wait({"retry-after": header, "date": field}, {"retrydelay": field}, words)
    assert 0.0 <= wait < float("inf")


def statuses(kind: str, words: str, **more: Any) -> list[int]:
    """The statuses at which a refusal with these words is of a kind."""
    return [status for status in range(400, 600) if getattr(Refusal(status, words, **more), kind)]


def test_the_statuses_that_decide() -> None:
    every = list(range(400, 600))
    assert statuses("overflow", "words") == [413]
    assert statuses("overflow", "maximum context length is 4096 tokens") == [400, 413, 422, 500]
    assert statuses("overflow", "Request too large") == [400, 413, 422, 429]
    assert statuses("overflow", "throttled: too many tokens") == [413]
    assert statuses("overflow", "words", param="input_tokens") == every
    assert statuses("loading", "the model is loading") == [400, 404, 425, 500, 502, 503]
    assert statuses("money", "words") == [402]
    assert statuses("money", "insufficient balance") == [status for status in every if status != 413]
    assert statuses("money", "insufficient balance", wait_s=3.0) == [402]
    assert statuses("money", "words", code=frozenset({"insufficient_quota"})) == every
    passing = [408, 409, 425, 429, 498, 499, *(status for status in range(500, 600) if status != 501)]
    assert statuses("passing", "words") == passing
    assert statuses("passing", "the model is loading") == sorted({400, 404, *passing})
    crowded = [status for status in every if status < 500 and status not in (402, 404, 413)]
    assert statuses("passing", "rate limit reached") == crowded + passing[6:]


def test_a_model_that_loads_is_asked_again_after_three_seconds() -> None:
    loading = Refusal(503, "the model is loading").error("host", proven=False)
    assert isinstance(loading, TransientError)
    assert loading.wait_s == 3.0
    told = Refusal(503, "the model is loading", wait_s=20.0).error("host", proven=False)
    assert getattr(told, "wait_s", 0.0) == 20.0
    assert getattr(Refusal(500, "words").error("host", proven=True), "wait_s", 1.0) == 0.0


@pytest.mark.parametrize(
    ("status", "words", "concerns_all"),
    [
        (401, "words", (True, True, True)),
        (407, "words", (True, True, True)),
        (403, "words", (True, True, False)),
        (403, "flagged by moderation", (False, False, False)),
        (404, "words", (True, False, False)),
        (405, "words", (True, False, False)),
        (400, "no such model", (True, False, False)),
        (400, "words", (False, False, False)),
    ],
)
def test_what_concerns_all_calls(status: int, words: str, concerns_all: tuple[bool, bool, bool]) -> None:
    """Before an answer; where the server lists the model; after an answer."""
    found = Refusal(status, words)
    said = [found.error("h", proven=False), found.error("h", proven=False, listed=True), found.error("h", proven=True)]
    assert tuple(getattr(error, "fatal", None) for error in said) == concerns_all


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        ({"message": "it exceeds", "n_ctx": 4096, "n_prompt_tokens": 6031}, (4096, 6031, None)),
        ({"message": "request (6031 tokens) exceeds it", "n_ctx": 4096}, (4096, 6031, 6031)),
        ({"message": "maximum context length is 4097 tokens. However, you requested 4226"}, (4097, None, 4226)),
        ({"message": "prompt is too long: 210000 tokens > 200000 maximum"}, (200000, 210000, None)),
        ({"message": "current length is 9000, while limit is 8,192"}, (8192, None, 9000)),
        ({"message": "at most 100 tokens allowed: 99"}, (None, None, None)),  # no context is as small
    ],
)
def test_the_tokens_that_a_refusal_names(said: dict[str, Any], numbers: tuple[int | None, ...]) -> None:
    found = refusal(400, json.dumps({"error": said}))
    assert (found.limit, found.prompt_tokens, found.requested_tokens) == numbers


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"error": {"code": 503}}, 503),
        ({"error": {"code": "429", "status": 400}}, 429),
        ({"error": {"status": "404"}}, 404),
        ({"error": {"message": "no code"}, "code": 500}, 500),
        ({"error": {"code": 200}}, 502),
        ({"error": {"code": "4290"}}, 502),
        ({"error": "words"}, 502),
        ({"errors": ["words"]}, 502),
        ({"object": "error", "code": 400}, 400),
        ({"object": "list", "code": 400}, None),
        ({"object": "chat.completion", "error": None}, None),
        ({"error": "beside an answer", "choices": [{}]}, None),
        ([{"error": {"code": 429}}], 429),
        ([{"error": {"code": 429}}, {}], None),
        ([], None),
        ("error", None),
        (None, None),
        ({"base_resp": {"status_code": 1002}}, 429),
        ({"base_resp": {"status_code": 1}}, 502),
        ({"base_resp": {"status_code": [1]}}, 502),
        ({"base_resp": {"status_code": 0}}, None),
    ],
)
def test_the_status_that_an_answer_of_200_should_have_had(answer: object, status: int | None) -> None:
    assert error_status(answer) == status


@pytest.mark.parametrize(
    ("said", "message", "param"),
    [
        ({"message": "no", "param": "seed"}, "no", "seed"),
        ({"message": "no", "param": "seed is not known"}, "no: seed is not known", "seed is not known"),
        ({"message": "no", "parameter": "top_p", "other": "not told"}, "no", "top_p"),
        ({"message": "no", "code": "some words of a code"}, "no", ""),
    ],
)
def test_the_parameter_that_is_complained_of(said: dict[str, str], message: str, param: str) -> None:
    found = refusal(400, json.dumps({"error": said}))
    assert (found.message, found.param) == (message, param)


def test_numbers_and_long_words() -> None:
    assert Refusal(400, "at most 4,096 tokens, not 5_000; gpt-4 v1.5 3.5 7B is 12").integers() == [4096, 5000, 12]
    long = Refusal(400, "x" * (LONGEST_MESSAGE + 1))
    assert long.message == "x" * (LONGEST_MESSAGE - 3) + "..."
    assert long.words == "x" * (LONGEST_MESSAGE + 1)
    assert Refusal(400, "x" * LONGEST_MESSAGE).message == "x" * LONGEST_MESSAGE
    assert refusal(400, '\ufeff \t\r\n{"message": "after space"}').message == "after space"
    assert (
        without_keys("the word is open-sesame, sk-12345678 is a key", ["open-sesame"])
        == "the word is ***, *** is a key"
    )
