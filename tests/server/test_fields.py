"""The fields of a request: their form, and the calls that each goes into."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.server.errors import APIError
from selfagg.server.fields import ChatRequest, Form, read, sorted_out, without_use

TOOLS = [{"type": "function", "function": {"name": "add"}}]


def places(body: dict[str, Any], *, forwards: bool = True) -> tuple[dict[str, Any], dict[str, Any], list[str], bool]:
    return sorted_out(body, forwards=forwards)


def test_each_field_has_one_way() -> None:
    body = {"model": "m", "messages": [], "seed": 1, "top_k": 3, "user": "me", "tools": TOOLS, "odd": 1, "n": None}
    assert places(body) == ({"top_k": 3, "user": "me"}, {"tools": TOOLS}, ["odd"], True)


def test_what_asks_for_what_is_anyway_binds_nothing_and_is_not_told_as_ignored() -> None:
    body = {"tools": [], "tool_choice": "auto", "response_format": {"type": "text"}, "store": False, "audio": False}
    last = {"tools": [], "tool_choice": "auto", "response_format": {"type": "text"}}
    assert places(body) == ({}, last, [], False)
    assert places(body, forwards=False) == ({}, {}, [], False)


@pytest.mark.parametrize("name", ["audio", "modalities"])
@pytest.mark.parametrize("forwards", [False, True])
def test_no_answer_is_sound(name: str, forwards: bool) -> None:
    with pytest.raises(APIError, match=f"{name}: answers are text") as refusal:
        sorted_out({name: ["audio"]}, forwards=forwards)
    assert (refusal.value.status_code, refusal.value.param) == (400, name)
    assert places({"modalities": ["text"]}, forwards=forwards) == ({}, {}, [], False)


def test_a_model_without_a_setting_ignores_labels_and_refuses_what_would_change_the_answer() -> None:
    assert places({"user": "me", "metadata": {"a": "b"}}, forwards=False) == ({}, {}, ["user", "metadata"], False)
    for field in ({"top_k": 3}, {"tools": TOOLS}, {"response_format": {"type": "json_object"}}):
        with pytest.raises(APIError, match="this model has no such setting") as refusal:
            sorted_out(field, forwards=False)
        assert (refusal.value.param, refusal.value.code) == (next(iter(field)), "unsupported_parameter")


def test_a_long_unknown_name_is_told_in_part() -> None:
    assert places({"x" * 500: 1})[2] == ["x" * 100]


KNOWN = ("temperature", "top_k", "user", "tools", "grammar", "response_format", "store", "parallel_tool_calls")


@given(st.dictionaries(st.sampled_from(KNOWN) | st.text(), st.none() | st.integers() | st.lists(st.text())))
def test_no_field_is_lost_or_goes_two_ways(body: dict[str, Any]) -> None:
    body = {name: value for name, value in body.items() if name not in ("audio", "modalities")}
    every, last, ignored, _ = places(body)
    named = [*every, *last, *ignored]
    assert len(set(named)) == len(named)
    assert {name[:100] for name, value in body.items() if value is not None} - set(named) <= {
        *ChatRequest.model_fields,
        "store",
    }
    assert all(body[name] == value for name, value in (every | last).items())


@pytest.mark.parametrize(
    ("last", "known"),
    [
        ({"tools": TOOLS, "tool_choice": "auto"}, {"tools": TOOLS, "tool_choice": "none"}),
        ({"functions": TOOLS}, {"functions": TOOLS, "function_call": "none"}),
        ({"response_format": {"type": "json_object"}}, {}),
    ],
)
def test_earlier_members_know_of_tools_and_use_none(last: dict[str, Any], known: dict[str, Any]) -> None:
    assert without_use(last) == known


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "model", "missing_field"),
        ({"model": 1}, "model", "invalid_value"),
        ({"model": "m", "rsa": {"n": 0}}, "rsa.n", "invalid_value"),
        ({"model": "m", "rsa": {"copy": "yes"}}, "rsa.copy", "invalid_value"),
        ({"model": "m", "rsa": {"nothing": 1}}, "rsa.nothing", "invalid_value"),
        ({"model": "m", "temperature": "hot"}, "temperature", "invalid_value"),
    ],
)
def test_the_field_at_fault_is_named(body: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(APIError) as refusal:
        read(Form, body)
    assert (refusal.value.status_code, refusal.value.param, refusal.value.code) == (400, param, code)
    assert refusal.value.message.startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("field", "last", "beyond"),
    [
        *((f"rsa.{name}", 1, 0) for name in ("n", "k", "t", "max_total_tokens")),
        ("rsa.deadline_s", 0.001, 0),
        ("rsa.deadline_s", 86_400, 86_401),
        ("rsa.stop", "x" * 40, "x" * 41),
        ("rsa.answer", "majority", "most"),
        ("rsa.order", "prefix", "none"),
        ("rsa.kind", "choice", "code"),
        ("rsa.progress", "none", "all"),
        *(("temperature", *ends) for ends in ((0, -0.1), (100, 100.1))),
        *(("top_p", *ends) for ends in ((0, -0.1), (1, 1.1))),
        *(("n", *ends) for ends in ((1, 0), (128, 129))),
        *(("top_logprobs", *ends) for ends in ((0, -1), (20, 21))),
        *(("seed", *ends) for ends in ((-(2**63), -(2**63) - 1), (2**64 - 1, 2**64))),
        ("max_tokens", 1, 0),
        ("max_completion_tokens", 1, 0),
    ],
)
def test_a_value_may_reach_its_bound_and_not_pass_it(field: str, last: Any, beyond: Any) -> None:
    owner, _, name = field.rpartition(".")

    def body(value: Any) -> dict[str, Any]:
        told = {name: value}
        return {"model": "m", "messages": [{"role": "user"}]} | ({owner: told} if owner else told)

    read(ChatRequest, body(last))
    with pytest.raises(APIError) as refusal:
        read(ChatRequest, body(beyond))
    assert refusal.value.param == field


def test_a_message_in_parts_is_named_by_its_place() -> None:
    with pytest.raises(APIError) as refusal:
        read(ChatRequest, {"model": "m", "messages": [{"role": "user"}, {"content": "x"}]})
    assert (refusal.value.param, refusal.value.code) == ("messages.1.role", "missing_field")
