"""Lists of models in every shape, page by page, and what servers tell beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from openai_faults import Fault, FaultServer, refuse, send

from selfagg.models.openai import OpenAIModel
from selfagg.models.openai.address import Credentials
from selfagg.models.openai.discovery import ServedModel, served_models
from selfagg.models.pace import RetryPolicy
from selfagg.types import Question, Request, Sampling

KEYS = Credentials("key", None)
REQUEST = Request(({"role": "user", "content": "2 + 2?"},), Sampling(max_tokens=20), 1, Question("q", "2 + 2?"))


def connect(server: FaultServer, **options: Any) -> OpenAIModel:
    return OpenAIModel(
        "fake", base_urls=[server.url], api_key="key", retries=RetryPolicy(tries=2, first_s=0.01), **options
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "list", "data": [{"id": "a"}, {"id": "b"}]},
        [{"id": "a"}, {"id": "b"}],
        ["a", "b"],
        {"models": [{"name": "a"}, {"model": "b"}]},
        {"data": {"a": {}, "b": {"owned_by": None}}},
        {"result": [{"slug": "a"}, {"model_id": "b", "id": 3}], "success": True},
        {"data": [{"id": "a"}, None, {"id": "b"}, {"object": "model"}, 7]},
    ],
)
async def test_shapes(answer: object) -> None:
    async with FaultServer() as server:
        server.models = send(answer)
        assert [model.id for model in await served_models(server.url, KEYS)] == ["a", "b"]


def paged(pages: Mapping[str, Any], parameter: str) -> Fault:
    async def fault(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        return web.json_response(pages[request.query.get(parameter, "")])

    return fault


@pytest.mark.parametrize(
    ("parameter", "following", "key"),
    [
        ("after_id", {"has_more": True, "last_id": "b"}, "b"),
        ("after", {"has_more": True}, "b"),
        ("page", {"next": "http://elsewhere/v1/models?page=2"}, "2"),
        ("page", {"links": {"next": "?page=2"}}, "2"),
        ("pageToken", {"nextPageToken": "t"}, "t"),
    ],
)
async def test_pages(parameter: str, following: dict[str, Any], key: str) -> None:
    pages = {"": {"data": [{"id": "a"}, {"id": "b"}]} | following, key: {"data": [{"id": "c"}]}}
    async with FaultServer() as server:
        server.models = paged(pages, parameter)
        assert [model.id for model in await served_models(server.url, KEYS)] == ["a", "b", "c"]


async def test_pages_without_end_are_left() -> None:
    async with FaultServer() as server:
        server.models = send({"data": [{"id": "a"}], "has_more": True})
        assert await served_models(server.url, KEYS) == [ServedModel("a")]
        assert len(server.headers) == 2


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        ({"owned_by": "vllm"}, {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}),
        ({"owned_by": "me", "max_model_len": 4096}, {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}),
        ({"owned_by": "sglang"}, {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}),
        ({"owned_by": "llamacpp"}, {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}),
        ({"supported_parameters": ["top_k"]}, {"top_k": 0}),
        ({"owned_by": "openai"}, {}),
    ],
)
async def test_neutral_fields_go_to_servers_that_are_known_to_take_them(
    entry: dict[str, Any], fields: dict[str, float]
) -> None:
    async with FaultServer() as server:
        server.models = send({"data": [{"id": "fake"} | entry]})
        async with connect(server) as model:
            await model.sample(REQUEST)
    names = ("top_k", "min_p", "repetition_penalty", "repeat_penalty")
    assert {name: value for name, value in server.bodies[-1].items() if name in names} == fields


async def test_ollamas_window() -> None:
    async with FaultServer() as server:
        server.models = send({"data": [{"id": "fake", "owned_by": "library"}]})
        server.other["/api/ps"] = send({"models": [{"name": "other", "context_length": 1}]})
        async with connect(server) as model:
            assert model.context is None
        server.other["/api/ps"] = send({"models": [{"name": "fake", "context_length": 4096}]})
        async with connect(server) as model:
            assert model.context == 4096
        async with connect(server, context=1000) as model:
            assert model.context == 1000


async def test_a_model_that_loads_is_waited_for() -> None:
    states = [refuse(503, "Loading model", headers={"retry-after-ms": "10"})]

    async def models(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        entry = {"id": "fake", "max_model_len": 4096}
        return await (states.pop() if states else send({"data": [entry]}))(request, body)

    async with FaultServer() as server:
        server.models = models
        async with connect(server) as model:
            assert model.context == 4096


async def test_a_missing_v1_is_found() -> None:
    async with FaultServer() as server:
        async with OpenAIModel("fake", base_urls=[server.url.removesuffix("/v1")]) as model:
            assert (await model.sample(REQUEST)).text == "four"
        server.other["/llm/v1/models"] = send({"data": [{"id": "fake"}]})
        root = server.url.removesuffix("/v1")
        async with OpenAIModel("fake", base_urls=[f"{root}/llm"]) as model:
            assert f"{root}/llm/v1" in repr(model)
        assert [one.id for one in await served_models(f"{root}/llm", KEYS)] == ["fake"]
