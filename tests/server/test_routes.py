"""Routes that are not deliberated on: the backend's own answer, or the API's error that says it has none."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from backends import connected
from openai_faults import FaultServer, refuse, send
from serving import Served, serving

from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server.passthrough import RELAYED


async def post(served: Served, path: str, body: object) -> tuple[int, bytes]:
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
            got = await post(served, "/v1/embeddings", {"model": name, "input": "hi", "odd": [1]})
            assert got == (200, b'{"object":  "list", "data": [1.50]}')
        assert await post(served, "/tokenize", {"content": "hi"}) == (200, b"[1,  2]")
        assert await post(served, "/v1/score", {}) == (200, b'"odd"')
    assert [body["model"] for body in seen] == ["fake", "fake", "another"]
    assert seen[0] == {"model": "fake", "input": "hi", "odd": [1]}


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_backend_without_the_route_is_named(status: int) -> None:
    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        for path in RELAYED:
            backend.other[path] = refuse(status, "File Not Found")
            got, text = await post(served, path, {"input": "hi"})
            told = json.loads(text)["error"]
            assert (got, told["code"]) == (404, "route_not_found")
            assert told["message"].startswith(f"the model's server has no {path}")


async def test_a_model_that_the_backend_lacks_is_the_backends_own_error() -> None:
    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        backend.other["/v1/embeddings"] = refuse(404, "The model `x` does not exist", code="model_not_found")
        status, text = await post(served, "/v1/embeddings", {"model": "x", "input": "hi"})
    assert (status, json.loads(text)["error"]["code"]) == (404, "model_not_found")


async def test_a_model_in_this_process_has_no_such_routes_but_counts_tokens() -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        for path in RELAYED:
            status, text = await post(served, path, {"input": "hi"})
            assert (status, json.loads(text)["error"]["code"]) == (404, "route_not_found")
        body = {"model": "simulated:", "messages": [{"role": "user", "content": "x" * 40}], "max_tokens": 9}
        assert await post(served, "/v1/messages/count_tokens", body) == (200, b'{"input_tokens":10}')
        got = await post(served, "/v1/responses/input_tokens", {"model": "simulated:", "input": "x" * 40})
        assert got == (200, b'{"input_tokens":10,"object":"response.input_tokens"}')
        status, text = await post(served, "/v1/responses/input_tokens", {"model": "simulated:", "input": 5})
        assert (status, json.loads(text)["error"]["param"]) == (400, "input")


@pytest.mark.parametrize("path", ["/v1/load_lora_adapter", "/sleep", "/slots", "/v1/files"])
async def test_routes_that_rule_a_backend_are_not_passed_on(path: str) -> None:
    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        backend.other[path] = send({"done": True})
        status, text = await post(served, path, {})
    assert (status, json.loads(text)["error"]["message"]) == (404, f"this server has no {path}")
