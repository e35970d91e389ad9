"""JSON in and out, and errors in the form of each API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.errors import ContextOverflow, ModelError, RunStopped, TooLong, UsageError
from selfagg.server.errors import APIError, api_error, as_json, from_json, parsed, refused, renamed, sse

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"


@pytest.mark.parametrize(
    ("status", "openai", "anthropic"),
    [
        (400, "invalid_request_error", "invalid_request_error"),
        (401, "authentication_error", "authentication_error"),
        (403, "permission_error", "permission_error"),
        (404, "invalid_request_error", "not_found_error"),
        (413, "invalid_request_error", "request_too_large"),
        (429, "rate_limit_error", "rate_limit_error"),
        (500, "server_error", "api_error"),
        (502, "server_error", "api_error"),
        (503, "server_error", "overloaded_error"),
        (504, "server_error", "timeout_error"),
    ],
)
def test_each_api_has_its_own_word_for_a_status(status: int, openai: str, anthropic: str) -> None:
    error = APIError(status, "no", param="x", code="why")
    assert error.body(CHAT) == {"error": {"message": "no", "type": openai, "param": "x", "code": "why"}}
    assert error.body(MESSAGES) == {"type": "error", "error": {"type": anthropic, "message": "no"}}
    assert error.response(CHAT).status_code == status


def test_a_stream_ends_with_the_error_of_its_api() -> None:
    error = APIError(502, "no", code="why")
    chat = b'data: {"error":{"message":"no","type":"server_error","param":null,"code":"why"}}\n\ndata: [DONE]\n\n'
    assert error.events(CHAT) == chat
    message = b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"no"}}\n\n'
    assert error.events(MESSAGES) == message
    response = b'event: error\ndata: {"type":"error","code":"why","message":"no","param":null}\n\n'
    assert error.events(RESPONSES) == response


@pytest.mark.parametrize(("wait_s", "header"), [(-1, None), (0, "1"), (0.2, "1"), (1.2, "2"), (30, "30")])
def test_a_wait_is_told_in_whole_seconds(wait_s: float, header: str | None) -> None:
    assert APIError(429, "later", wait_s=wait_s).response(CHAT).headers.get("Retry-After") == header


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UsageError("no"), 400, None),
        (ContextOverflow("no"), 400, "context_length_exceeded"),
        (TooLong("no"), 400, "context_length_exceeded"),
        (ModelError("no", status=400), 400, None),
        (ModelError("no", status=413), 400, None),
        (ModelError("no", status=422), 400, None),
        (ModelError("no", status=401), 502, "backend_error"),
        (ModelError("no", status=429), 429, "rate_limit_exceeded"),
        (ModelError("no", status=500), 502, "backend_error"),
        (ModelError("no", status=503), 503, "backend_unavailable"),
        (ModelError("no", status=504), 504, "backend_timeout"),
        (ModelError("no"), 502, "backend_error"),
        (RunStopped("no", fatal=True), 502, "backend_error"),
    ],
)
def test_what_failed_decides_the_status(error: Any, status: int, code: str | None) -> None:
    found = api_error(error)
    assert (found.status_code, found.code, found.message) == (status, code, "no")


def test_the_failed_call_behind_an_error_speaks_where_that_is_silent() -> None:
    assert api_error(ModelError("no"), ModelError("x", status=429, wait_s=7.5)).headers == {"Retry-After": "8"}
    assert api_error(ModelError("no", status=503), ModelError("x", status=429)).status_code == 503
    assert api_error(ModelError("no"), ContextOverflow("x")).code == "context_length_exceeded"


def test_a_field_has_the_name_of_the_clients_api() -> None:
    for message, param, told in (
        ("stop: no", "stop", ("ends: no", "ends")),
        ("stop.0: no", "stop.0", ("ends.0: no", "ends.0")),
        ("a stop is no", "stop", ("a stop is no", "ends")),
        ("other: no", "other", ("other: no", "other")),
        ("no", None, ("no", None)),
    ):
        with pytest.raises(APIError) as error, renamed({"stop": "ends"}):
            raise refused(message, param, "code")
        assert (error.value.message, error.value.param) == told
        assert (error.value.status_code, error.value.code) == (400, "code")


def test_an_event_is_named_by_its_type() -> None:
    assert sse({"a": 1}) == b'data: {"a":1}\n\n'
    assert sse({"type": "ping"}) == b'event: ping\ndata: {"type":"ping"}\n\n'


BROKEN = [
    (b"", "not valid JSON (Expecting value, column 1)"),
    (b"{", "not valid JSON (Expecting property name enclosed in double quotes, column 2)"),
    (b'{"a": NaN}', "NaN is no JSON number"),
    (b'{"a": -Infinity}', "-Infinity is no JSON number"),
    (b"[1]", "not a JSON object"),
    (b"null", "not a JSON object"),
    (b'{"a": "\xff"}', "not UTF-8 text"),
    (b"[" * 100_000, "the JSON is nested too deeply"),
]


@pytest.mark.parametrize(("body", "said"), BROKEN, ids=[said[:20] for _, said in BROKEN])
def test_a_body_that_is_no_json_object_is_refused_with_the_reason(body: bytes, said: str) -> None:
    with pytest.raises(APIError) as refusal:
        parsed(body)
    assert (refusal.value.status_code, refusal.value.message) == (400, f"the request body: {said}")


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_json_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    assert from_json(as_json(value)) == value
    assert from_json(b"\xef\xbb\xbf" + json.dumps(value).encode()) == value


def test_a_lone_surrogate_goes_out_as_a_question_mark() -> None:
    assert as_json({"a": "\ud800"}) == b'{"a":"?"}'
