"""Plain calls: what the backend says is what the client gets, field by field; and what a deliberation sends where."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from backends import connected, tool_call
from openai_faults import Fault, FaultServer, completion, garbage, half, hang, refuse, reset, send
from serving import Served, serving

from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server.passthrough import RELAYED
from selfagg.server.settings import ServeSettings

ASKED = [{"role": "user", "content": "what?", "name": "ann"}]
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
EVERYTHING: dict[str, Any] = {
    "temperature": 1.7,
    "seed": 12345678901234567890,
    "logit_bias": {"5": -100},
    "logprobs": True,
    "top_logprobs": 3,
    "anything": {"of": ["the", 1.5, None, True]},
    "max_tokens": -1,
    "stop": {"of": "its own"},
}


async def post(served: Served, key: str = "client-key", **body: Any) -> tuple[int, dict[str, Any], Any]:
    headers = {"Authorization": f"Bearer {key}"}
    asked = {"model": "fake", "messages": ASKED} | body
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.url}/v1/chat/completions", json=asked, headers=headers) as answer,
    ):
        return answer.status, dict(answer.headers), await answer.read()


async def test_body_and_answer_pass_unchanged() -> None:
    answer = tool_call() | {"odd": [1, 2.50, "\u2028"], "service_tier": None}
    async with FaultServer(send(answer)) as backend, serving(connected(backend.url)) as served:
        status, _, got = await post(served, rsa=False, **EVERYTHING)
    assert (status, json.loads(got)) == (200, answer)
    assert backend.bodies == [{"model": "fake", "messages": ASKED, **EVERYTHING}]


async def test_a_stream_passes_byte_by_byte() -> None:
    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        status, headers, got = await post(served, rsa=False, stream=True)
        async with aiohttp.ClientSession() as session:
            body = {"model": "fake", "messages": ASKED, "stream": True}
            async with session.post(f"{backend.url}/chat/completions", json=body) as direct:
                assert got == await direct.read()
    assert status == 200
    assert headers["Content-Type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    "body",
    [
        {"tools": TOOLS},
        {"functions": [{"name": "add"}]},
        {"model": "fake:single"},
        {"rsa": {"method": "single"}},
    ],
)
async def test_tools_and_the_plain_names_go_through_too(body: dict[str, Any]) -> None:
    async with FaultServer(send(tool_call())) as backend, serving(connected(backend.url)) as served:
        status, _, got = await post(served, **body)
    assert (status, json.loads(got)) == (200, tool_call())
    expected = {"model": "fake", "messages": ASKED, **body} | {"model": "fake"}
    expected.pop("rsa", None)
    assert backend.bodies == [expected]


async def test_the_clients_key_stays_here_unless_it_is_asked_for() -> None:
    async with FaultServer() as backend:
        for forward in (False, True):
            async with serving(connected(backend.url), ServeSettings(forward_key=forward)) as served:
                await post(served, rsa=False)
        keys = [headers["Authorization"] for headers in backend.headers if "Content-Length" in headers]
    assert keys == ["Bearer backend-key", "Bearer client-key"]


FAULTS: list[tuple[Fault, int, str | None]] = [
    (refuse(400, "no such thing", param="x", code="mine"), 400, "mine"),
    (refuse(422, "odd"), 422, None),
    (refuse(429, "slow", {"Retry-After": "7"}), 429, None),
    (refuse(401, "bad key"), 502, "backend_error"),
    (refuse(500, "broken"), 502, "backend_error"),
    (refuse(503, "loading"), 503, "backend_unavailable"),
    (refuse(504, "late"), 504, "backend_timeout"),
    (send("<html>oops</html>", 502), 502, "backend_error"),
    (send("{"), 502, "backend_error"),
    (send({"error": {"message": "upstream is down"}}), 502, "backend_error"),
    (send({"error": {"message": "slow", "code": 429}}), 429, "rate_limit_exceeded"),
    (send({"error": {"message": "bad key", "code": 401}}), 502, "backend_error"),
    (reset, 502, "backend_error"),
    (half, 502, "backend_error"),
    (garbage, 502, "backend_error"),
    (hang, 504, "backend_timeout"),
]


async def test_what_goes_wrong_at_the_backend_has_its_status() -> None:
    async with FaultServer() as backend, serving(connected(backend.url, timeout_s=0.5)) as served:
        for fault, status, code in FAULTS:
            backend.script = [fault]
            got, headers, body = await post(served, rsa=False)
            error = json.loads(body)["error"]
            assert (got, error.get("code")) == (status, code), error
            assert error["message"]
            assert "backend-key" not in str(error)
            if error["message"] == "slow" and "Retry-After" in headers:
                assert headers["Retry-After"] == "7"


async def test_a_backend_that_is_gone_is_unavailable() -> None:
    async with FaultServer() as backend:
        model = connected(backend.url)
        async with serving(model) as served:
            await backend.__aexit__()
            plain = await post(served, rsa=False)
            deliberated = await post(served)
    assert (plain[0], deliberated[0]) == (503, 503)


@pytest.mark.parametrize(
    ("fault", "status"),
    [(refuse(400, "bad field"), 400), (refuse(429, "slow"), 429), (refuse(401, "key"), 502), (reset, 502), (hang, 504)],
)
async def test_deliberations_tell_the_same(fault: Fault, status: int) -> None:
    async with FaultServer(*[fault] * 40) as backend, serving(connected(backend.url, timeout_s=0.3)) as served:
        got, headers, body = await post(served, rsa={"n": 2, "k": 1, "t": 2})
    assert got == status
    assert json.loads(body)["error"]["message"]
    assert ("Retry-After" in headers) == (status == 429)


async def test_what_binds_the_answer_goes_into_the_last_call_alone() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        status, _, _ = await post(
            served,
            rsa={"n": 2, "k": 2, "t": 2},
            response_format=form,
            stop=["END"],
            logprobs=True,
            top_logprobs=2,
            temperature=0.5,
            top_p=0.9,
            max_completion_tokens=77,
            reasoning_effort="high",
            top_k=20,
            user="ann",
        )
    assert status == 200
    *first, last = backend.bodies
    for body in (*first, last):
        shared = {
            name: body[name] for name in ("temperature", "top_p", "max_tokens", "reasoning_effort", "top_k", "user")
        }
        assert shared == {
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 77,
            "reasoning_effort": "high",
            "top_k": 20,
            "user": "ann",
        }
    assert (last["response_format"], last["stop"], last["logprobs"], last["top_logprobs"]) == (form, ["END"], True, 2)
    assert not any({"response_format", "stop", "logprobs", "top_logprobs"} & body.keys() for body in first)
    assert len({body["seed"] for body in backend.bodies}) == 3
    assert [message["name"] for body in backend.bodies for message in body["messages"]] == ["ann"] * 3


async def test_a_whole_answer_tells_what_its_server_told() -> None:
    token = {"token": "four", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    message = {"role": "assistant", "content": "<think>two and two</think>four", "annotations": [{"x": 1}]}
    answer = completion(message=message, logprobs={"content": [token]})
    async with FaultServer(*[send(answer)] * 3) as backend, serving(connected(backend.url)) as served:
        _, _, got = await post(served, rsa={"n": 2, "k": 2, "t": 2}, logprobs=True)
    (choice,) = json.loads(got)["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "content": "four",
        "refusal": None,
        "reasoning_content": "two and two",
        "annotations": [{"x": 1}],
    }
    assert choice["logprobs"] == {"content": [token]}


async def test_cached_and_reasoning_tokens_are_the_answers_own_and_summed_in_the_account() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    answers = [send(completion() | {"usage": usage})] * 3
    async with FaultServer(*answers) as backend, serving(connected(backend.url)) as served:
        _, _, got = await post(served, rsa={"n": 2, "k": 2, "t": 2})
    told = json.loads(got)["usage"]
    assert (told["prompt_tokens"], told["total_tokens"]) == (10, 15)
    assert told["prompt_tokens_details"] == {"cached_tokens": 4, "deliberation_tokens": 30}
    assert told["completion_tokens_details"] == {"reasoning_tokens": 3, "deliberation_tokens": 15}
    spent = told["selfagg"]
    assert (spent["prompt_tokens"], spent["total_tokens"]) == (30, 45)
    assert spent["prompt_tokens_details"]["cached_tokens"] == 12
    assert spent["completion_tokens_details"]["reasoning_tokens"] == 9


async def test_the_whole_conversation_is_in_every_prompt() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    conversation = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": [{"type": "text", "text": "what is this?"}, image]},
    ]
    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        await post(served, messages=conversation, rsa={"n": 2, "k": 2, "t": 2})
    first, _, last = [body["messages"] for body in backend.bodies]
    assert first == conversation
    assert last[:3] == conversation[:3]
    assert image in last[3]["content"]
    assert "what is this?" in str(last[3]["content"])
    assert str(last[3]["content"]).count("four") == 2


async def test_a_backends_error_reaches_the_client_without_keys() -> None:
    words = "no parameter 'x' for backend-key, sk-0123456789abcdef"
    async with FaultServer(refuse(400, words, param="x")) as backend, serving(connected(backend.url)) as served:
        status, _, got = await post(served, rsa=False)
    assert (status, json.loads(got)) == (400, {"error": {"message": "no parameter 'x' for ***, ***", "param": "x"}})


def dripping(*, stream: bool) -> Fault:
    """An answer that moves all the time and has no end."""

    async def fault(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream" if stream else "application/json"})
        await response.prepare(request)
        while True:
            piece = b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n' if stream else b" "
            await response.write(piece)
            await asyncio.sleep(0.01)

    return fault


@pytest.mark.parametrize("rsa", [False, {"n": 1, "k": 1, "t": 1}])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply_that_never_ends_is_ended(rsa: object, stream: bool) -> None:
    async with (
        FaultServer(*[dripping(stream=stream)] * 9) as backend,
        serving(connected(backend.url, timeout_s=0.3, whole_s=0.3)) as served,
    ):
        status, _, got = await post(served, rsa=rsa, stream=stream)
        if stream:
            assert b'"error"' in got
            assert b"within 0.3 s" in got
        else:
            assert (status, json.loads(got)["error"]["code"]) == (504, "backend_timeout")


async def relayed(served: Served, path: str, body: object) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.post(served.url + path, json=body) as answer:
        return answer.status, await answer.read()


async def test_what_the_backend_has_passes_byte_by_byte_under_its_own_name() -> None:
    seen: list[Any] = []

    async def embeddings(request: web.Request, body: Any) -> web.StreamResponse:
        seen.append(body)
        return await send('{"object":  "list", "data": [1.50]}')(request, body)

    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        backend.other |= {"/v1/embeddings": embeddings, "/tokenize": send("[1,  2]"), "/v1/score": send('"odd"')}
        for name in ("fake", "fake:rsa-4-2-2", "another"):
            got = await relayed(served, "/v1/embeddings", {"model": name, "input": "hi", "odd": [1]})
            assert got == (200, b'{"object":  "list", "data": [1.50]}')
        assert await relayed(served, "/tokenize", {"content": "hi"}) == (200, b"[1,  2]")
        assert await relayed(served, "/v1/score", {}) == (200, b'"odd"')
    assert [body["model"] for body in seen] == ["fake", "fake", "another"]
    assert seen[0] == {"model": "fake", "input": "hi", "odd": [1]}


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_backend_without_the_route_is_named(status: int) -> None:
    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        for path in RELAYED if status == 404 else RELAYED[:1]:
            backend.other[path] = refuse(status, "File Not Found")
            got, text = await relayed(served, path, {"input": "hi"})
            told = json.loads(text)["error"]
            assert (got, told["code"]) == (404, "route_not_found")
            assert told["message"].startswith(f"the model's server has no {path}")


async def test_a_model_that_the_backend_lacks_is_the_backends_own_error() -> None:
    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        backend.other["/v1/embeddings"] = refuse(404, "The model `x` does not exist", code="model_not_found")
        status, text = await relayed(served, "/v1/embeddings", {"model": "x", "input": "hi"})
    assert (status, json.loads(text)["error"]["code"]) == (404, "model_not_found")


async def test_a_model_in_this_process_has_no_such_routes_but_counts_tokens() -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        for path in RELAYED:
            status, text = await relayed(served, path, {"input": "hi"})
            assert (status, json.loads(text)["error"]["code"]) == (404, "route_not_found")
        body = {"model": "simulated:", "messages": [{"role": "user", "content": "x" * 40}], "max_tokens": 9}
        assert await relayed(served, "/v1/messages/count_tokens", body) == (200, b'{"input_tokens":10}')
        got = await relayed(served, "/v1/responses/input_tokens", {"model": "simulated:", "input": "x" * 40})
        assert got == (200, b'{"input_tokens":10,"object":"response.input_tokens"}')
        status, text = await relayed(served, "/v1/responses/input_tokens", {"model": "simulated:", "input": 5})
        assert (status, json.loads(text)["error"]["param"]) == (400, "input")


@pytest.mark.parametrize("path", ["/v1/load_lora_adapter", "/sleep", "/slots", "/v1/files"])
async def test_routes_that_rule_a_backend_are_not_passed_on(path: str) -> None:
    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        backend.other[path] = send({"done": True})
        status, text = await relayed(served, path, {})
    assert (status, json.loads(text)["error"]["message"]) == (404, f"this server has no {path}")
