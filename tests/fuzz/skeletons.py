"""Well-formed inputs, and what hypothesis puts in the place of any of their parts."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

ODD: list[Any] = [
    *(None, True, False, 0, -1, 7, 2**53, 2**63, 10**400, 1e308, float("inf"), float("nan"), -0.0),
    *(
        "",
        "x",
        "\ud800",
        "\x00",
        "0",
        "stop",
        "error",
        "a" * 500,
        [],
        {},
        [None],
        [[]],
        ["x"],
        {"x": 1},
        [{"type": "thinking"}],
    ),
]

_CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}
_MESSAGE = {
    "role": "assistant",
    "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "a"}],
    "reasoning": "r",
    "refusal": None,
    "tool_calls": [_CALL],
}
_USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
_LOGPROBS = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1}]}
_CHOICE = {"index": 0, "message": _MESSAGE, "finish_reason": "stop", "logprobs": _LOGPROBS}
_EVENT = {"choices": [{"index": 0, "delta": _MESSAGE, "finish_reason": None, "logprobs": _LOGPROBS}]}
_PLAIN = {
    "question": "What?",
    "answer": 4,
    "kind": "choice",
    "id": "a",
    "group": "g",
    "instruction": "Box it.",
    "options": ["4", "5"],
    "data": {"task": "t", "entry": {"a": 1}},
}
_CODE = {"question": "Add.", "kind": "code", "data": {"format": "stdin", "cases": [["1", "2"]], "seconds": 1}}
_VERL = {
    "data_source": "aime",
    "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
    "reward_model": {"style": "rule", "ground_truth": "4"},
    "extra_info": {"index": 0, "uuid": "u", "discipline": "d", "entry": {"a": 1}},
    "problem_idx": 1,
    "problem_type": "t",
}
_BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
    "rsa": {"n": 4, "k": 2, "t": 2, "method": "rsa", "deadline_s": 1.0, "max_total_tokens": 5},
    "stream": True,
    "stream_options": {"include_usage": True},
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "stop": ["x"],
    "seed": 1,
    "n": 2,
}

SKELETONS: dict[str, list[Any]] = {
    "reply": [
        {"choices": [_CHOICE], "usage": _USAGE},
        {"error": {"message": "m", "code": 400, "param": "p", "type": "t"}},
    ],
    "stream": [[_EVENT, _EVENT, {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": _USAGE}]],
    "refused": [{"error": {"message": [{"loc": ["a"], "msg": "m"}], "code": "c", "param": "p"}}, {"detail": "d"}],
    "jsonl": [_PLAIN, _CODE, _VERL],
    "columns": [_PLAIN, _CODE, _VERL],
    "tests": [
        _CODE["data"],
        {"format": "check", "prompt": "p", "test": "t", "function": "f"},
        {"format": "stdin", "packed": "x"},
    ],
    "body": [_BODY],
}


@st.composite
def odd(draw: st.DrawFn, skeleton: Any) -> Any:
    """The skeleton with a part or two of it replaced or left out."""
    value = json.loads(json.dumps(skeleton))
    for _ in range(draw(st.integers(1, 3))):
        at: Any = value
        while isinstance(at, dict | list) and at:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            key = draw(st.sampled_from(keys))
            inner = at[key]
            if isinstance(inner, dict | list) and inner and draw(st.booleans()):
                at = inner
                continue
            at[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
            break
    return value


def as_bytes(target: str, value: Any) -> bytes:
    """The value as the target wants it."""
    if target == "stream":
        events = value if isinstance(value, list) else [value]
        return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events) + b"data: [DONE]\n\n"
    return (b"\x00" if target == "reply" else b"") + json.dumps(value).encode()
