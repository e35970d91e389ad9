"""Progress is told as reasoning and never becomes history, whatever client sends it back, in whatever field."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from backends import connected
from hypothesis import given
from hypothesis import strategies as st
from openai_faults import FaultServer
from serving import serving

from selfagg.server.progress import progress_line, without_progress

TOLD = "population 1: 1 of 2\npopulation 1 of at most 5: 2 of 2 (one failed)\n"
ANSWER = {"role": "assistant", "content": "four"}

ECHOES: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    (ANSWER | {"reasoning_content": TOLD}, ANSWER),
    (ANSWER | {"reasoning": TOLD.rstrip()}, ANSWER),
    (ANSWER | {"reasoning_details": [{"type": "reasoning.text", "text": TOLD}]}, ANSWER),
    (ANSWER | {"thinking_blocks": [{"type": "thinking", "thinking": TOLD, "signature": ""}]}, ANSWER),
    (ANSWER | {"provider_specific_fields": {"reasoning_content": TOLD}}, ANSWER),
    (ANSWER | {"reasoning_content": TOLD + "two and two"}, ANSWER | {"reasoning_content": "two and two"}),
    ({"role": "assistant", "content": f"<think>\n{TOLD}</think>\n\nfour"}, ANSWER),
    ({"role": "assistant", "content": f"{TOLD}four"}, ANSWER),
    (
        {"role": "assistant", "content": [{"type": "thinking", "thinking": TOLD}, {"type": "text", "text": "four"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "four"}]},
    ),
    ({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": TOLD}]}, None),
    (
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "two"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "two"}]},
    ),
]


@pytest.mark.parametrize(("turn", "kept"), ECHOES)
@pytest.mark.parametrize("name", ["messages", "input"])
def test_progress_is_taken_out_of_every_field(turn: dict[str, Any], kept: dict[str, Any] | None, name: str) -> None:
    others = [{"role": "user", "content": TOLD}, {"role": "tool", "content": TOLD}]
    expected = [others[0], *([kept] if kept else []), others[1]]
    assert without_progress({name: [others[0], turn, others[1]], "rsa": {}}) == {name: expected, "rsa": {}}


def test_what_an_agent_called_stays_as_it_is() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "write", "arguments": json.dumps({"text": TOLD})}}
    turn = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert without_progress({"messages": [turn]}) == {"messages": [turn]}


@given(st.integers(1, 99), st.integers(1, 99), st.integers(1, 99), st.booleans(), st.none() | st.integers(1, 99))
def test_every_line_that_is_told_is_known_again(t: int, done: int, needed: int, failed: bool, most: int | None) -> None:
    line = progress_line(t, done, needed, failed=failed, most=most)
    turn = ANSWER | {"reasoning_content": f"{line}\nso"}
    assert without_progress({"messages": [turn]})["messages"] == [ANSWER | {"reasoning_content": "so"}]


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=9,
    )
)
def test_what_holds_no_progress_passes_as_it_came(value: Any) -> None:
    body = {"messages": value, "input": [{"role": "assistant", "content": value, "x": value}]}
    assert without_progress(body) == body


@pytest.mark.parametrize("rsa", [False, {"n": 2, "k": 2, "t": 1}])
async def test_the_model_never_sees_it(rsa: object) -> None:
    messages = [
        {"role": "user", "content": "2+2?"},
        ANSWER | {"reasoning_content": TOLD},
        {"role": "user", "content": "so"},
    ]
    async with FaultServer() as backend, serving(connected(backend.url)) as served, aiohttp.ClientSession() as session:
        body = {"model": "fake", "messages": messages, "rsa": rsa}
        async with session.post(f"{served.url}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
    assert "population" not in json.dumps(backend.bodies)
    assert "reasoning_content" not in json.dumps(backend.bodies)
