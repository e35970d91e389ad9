"""What servers say when they refuse, as each of them says it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.errors import ContextOverflow, ModelError
from selfagg.models.openai.bodies import refusal, tidy
from selfagg.models.openai.refusal import LONGEST_MESSAGE, Refusal
from selfagg.models.retries import TransientError

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
