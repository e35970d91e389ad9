"""The OpenAI connection against a server that misbehaves on purpose, and against a real llama.cpp."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[2] / "servers"))
from openai_faults import (
    FAULTS,
    Fault,
    FaultServer,
    completion,
    garbage,
    half,
    hang,
    huge,
    huge_error,
    packed,
    refuse,
    reset,
    send,
    stream,
)
from waiting import until

from selfagg.api import asolve, solve
from selfagg.errors import ContextOverflow, ModelError, UsageError
from selfagg.models import Access
from selfagg.models import connect as connect_by_name
from selfagg.models.base import Model
from selfagg.models.openai import OpenAIModel, client, discovery
from selfagg.models.openai.address import Credentials
from selfagg.models.openai.discovery import ServedModel, estimate_tokens, served_models
from selfagg.models.pace import RetryPolicy
from selfagg.types import Question, Reply, Request, Sampling, Stop, Usage

KEY = "sk-test-0123456789abcdef"
QUICK = RetryPolicy(tries=4, first_s=0.01, longest_s=0.02, patience_s=5.0)
SLOW = RetryPolicy(first_s=30.0)
"""Pauses that no busy machine outlasts."""


def connect(server: FaultServer, **options: Any) -> OpenAIModel:
    usual: dict[str, Any] = {"base_urls": [server.url], "api_key": KEY, "timeout_s": 0.5, "retries": QUICK}
    return OpenAIModel("fake", **(usual | options))


def ask(text: str = "2 + 2?", seed: int = 7, **sampling: Any) -> Request:
    options: dict[str, Any] = {"max_tokens": 50} | sampling
    return Request(({"role": "user", "content": text},), Sampling(**options), seed, Question("q", text))


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        yield server


def test_it_is_a_model() -> None:
    assert isinstance(OpenAIModel("fake", base_urls=["http://localhost/v1"]), Model)


def test_by_name(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY)
    access = Access(("http://a:1/v1", "http://b:2", "http://a:1/v1/"), path, context=100, concurrency=5)
    model = connect_by_name("openai:org/name:free", access)
    assert repr(model) == "OpenAIModel('org/name:free', base_urls=['http://a:1/v1', 'http://b:2/v1'])"
    assert (model.name, model.context, model.concurrency) == ("openai:org/name:free", 100, 5)
    with pytest.raises(UsageError, match="names no model"):
        connect_by_name("openai:", access)


async def test_a_plain_call(server: FaultServer) -> None:
    async with connect(server) as model:
        reply = await model.sample(ask())
    assert (reply.text, reply.stop, reply.tries, reply.usage) == ("four", Stop.FINISHED, 1, Usage(11, 0, 3, 0))
    assert reply.seconds > 0
    assert model.name == "openai:fake"
    assert server.headers[-1]["Authorization"] == f"Bearer {KEY}"
    assert server.bodies == [
        {
            "model": "fake",
            "messages": [{"role": "user", "content": "2 + 2?"}],
            "temperature": 1.0,
            "top_p": 1.0,
            "max_tokens": 50,
            "seed": 7,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


async def test_every_setting_reaches_the_server(server: FaultServer) -> None:
    settings: dict[str, Any] = {"top_p": 0.9, "stop": ("X",), "reasoning_effort": "low", "logprobs": True}
    async with connect(server) as model:
        await model.sample(ask(**settings, temperature=0.3, extra_body={"top_k": 5, "model": "other"}))
    (body,) = server.bodies
    assert body | {"top_p": 0.9, "stop": ["X"], "reasoning_effort": "low", "logprobs": True, "top_k": 5} == body
    assert (body["temperature"], body["model"]) == (0.3, "fake")


@pytest.mark.parametrize(
    "fault",
    [
        refuse(429),
        refuse(429, headers={"Retry-After": "0.02"}),
        refuse(408),
        refuse(409),
        refuse(500),
        refuse(503),
        reset,
        hang,
        half,
        huge,
        huge_error,
        packed(completion("x" * 2**23)),
        garbage,
        send('{"choices": ['),
        send("<html>Bad gateway</html>", 502),
        send(completion() | {"choices": []}),
        send(completion(finish_reason="abort")),
        send({"error": {"message": "upstream is down", "code": 502}}),
        send([]),
    ],
)
async def test_what_can_pass_is_tried_again(server: FaultServer, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LARGEST_REPLY", 2**22)
    server.script = [fault, fault]
    async with connect(server) as model:
        reply = await model.sample(ask())
    assert (reply.text, reply.tries) == ("four", 3)


async def test_a_reply_that_came_packed_is_unpacked(server: FaultServer) -> None:
    server.script = [packed(completion("packed")), packed(completion("forwarded"))]
    async with connect(server) as model:
        assert (await model.sample(ask())).text == "packed"
        async with model.forward({"messages": []}) as answer:
            body = b"".join([piece async for piece in answer.body])
    assert json.loads(body) == completion("forwarded")
    assert "content-encoding" not in answer.headers


async def test_tries_end(server: FaultServer) -> None:
    server.script = [refuse(500, "over capacity")] * 9
    async with connect(server) as model:
        with pytest.raises(ModelError, match=r"answered 500: over capacity \(given up after 4 tries\)") as caught:
            await model.sample(ask())
    assert (caught.value.tries, caught.value.fatal, len(server.bodies)) == (4, False, 4)


async def test_retry_after_beyond_all_patience_is_not_waited_for(server: FaultServer) -> None:
    server.script = [refuse(429, "come back tomorrow", {"Retry-After": "86400"})]
    async with connect(server) as model:
        with pytest.raises(ModelError, match=r"it asks to wait 86400 s \(1440 min\), more than the pat") as caught:
            await model.sample(ask())
    assert (caught.value.tries, caught.value.gone) == (1, True)


async def test_a_wait_without_measure_is_told_in_few_digits(server: FaultServer) -> None:
    server.script = [refuse(429, "never", {"Retry-After": "1" + 300 * "0"})]
    async with connect(server) as model:
        with pytest.raises(ModelError, match=r"it asks to wait 1e\+300 s"):
            await model.sample(ask())


@pytest.mark.parametrize(
    ("fault", "words", "fatal"),
    [
        (refuse(400, "bad weather"), "answered 400: bad weather", False),
        (refuse(401, "who are you"), "answered 401: who are you", True),
        (refuse(403, "flagged"), "answered 403: flagged", False),
        (refuse(404, "no such model"), "answered 404: no such model", False),
        (send({"detail": [{"loc": ["body", "stop"], "msg": "too many"}]}, 422), "422: body.stop: too many", False),
        (refuse(429, "pay first", code="insufficient_quota"), "answered 429: pay first", True),
    ],
)
async def test_what_cannot_pass_ends_at_once(server: FaultServer, fault: Fault, words: str, fatal: bool) -> None:
    server.script = [fault]
    async with connect(server) as model:
        with pytest.raises(ModelError, match=words) as caught:
            await model.sample(ask())
    assert (caught.value.tries, caught.value.fatal, len(server.bodies)) == (1, fatal, 1)
    assert not isinstance(caught.value, ContextOverflow)


async def test_an_unknown_model_is_fatal_where_nothing_said_otherwise(server: FaultServer) -> None:
    server.models, server.script = refuse(404), [refuse(404, "no such model")]
    async with connect(server) as model:
        with pytest.raises(ModelError) as first:
            await model.sample(ask())
        await model.sample(ask())
        server.script = [refuse(404)]
        with pytest.raises(ModelError) as later:
            await model.sample(ask())
    assert (first.value.fatal, later.value.fatal) == (True, False)


async def test_a_prompt_too_long(server: FaultServer) -> None:
    server.script = [refuse(400, "This model's maximum context length is 4096 tokens. Your prompt has 5000.")]
    async with connect(server) as model:
        with pytest.raises(ContextOverflow, match="maximum context length is 4096"):
            await model.sample(ask())


async def test_a_reply_may_be_empty_or_filtered(server: FaultServer) -> None:
    server.script = [
        send(completion(None)),
        send(completion("")),
        send(completion(None, finish_reason="content_filter")),
    ]
    async with connect(server) as model:
        replies = [await model.sample(ask()) for _ in range(3)]
    assert [reply.text for reply in replies] == ["", "", ""]
    assert [reply.stop for reply in replies] == [Stop.FINISHED, Stop.FINISHED, Stop.FILTERED]


async def test_what_a_server_does_not_know_is_left_out_from_then_on(server: FaultServer) -> None:
    server.script = [
        refuse(400, "use max_completion_tokens", code="unsupported_parameter", param="max_tokens"),
        send({"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}, 422),
        refuse(400, "'temperature' does not support 1.0 with this model", code="unsupported_value"),
    ]
    async with connect(server) as model:
        first, second = await model.sample(ask()), await model.sample(ask(temperature=0.5))
    assert (first.tries, second.tries) == (1, 1)
    assert len(server.bodies) == 5
    usual = ("messages", "model", "stream", "stream_options")
    assert {name: value for name, value in server.bodies[3].items() if name not in usual} == {
        "max_completion_tokens": 50,
        "top_p": 1.0,
    }
    assert server.bodies[4]["temperature"] == 0.5  # left out only where that changes nothing


@pytest.mark.parametrize(
    ("field", "sampling"),
    [("temperature", {"temperature": 0.5}), ("top_p", {"top_p": 0.5}), ("seed", {"extra_body": {"seed": 4}})],
)
async def test_a_refused_setting_that_matters_is_an_error(
    server: FaultServer, field: str, sampling: dict[str, Any]
) -> None:
    server.script = [refuse(400, f"{field} is not supported", param=field)] * 2
    async with connect(server) as model:
        with pytest.raises(ModelError, match=f"{field} is not supported"):
            await model.sample(ask(**sampling))
    assert len(server.bodies) == 1


async def test_the_key_is_told_to_nobody(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = [refuse(500, f"key {KEY}"), refuse(401, f"Incorrect API key provided: {KEY}.")]
    server.script += [refuse(429, KEY, {"Retry-After": "9000"})]
    async with connect(server) as model:
        for _ in range(2):
            with pytest.raises(ModelError) as caught:
                await model.sample(ask())
            assert KEY not in str(caught.value)
            assert caught.value.__cause__ is None
        assert KEY not in repr(model)
    server.models = refuse(401, f"Incorrect API key provided: {KEY}")
    async with connect(server):
        pass
    with pytest.raises(UsageError) as refused:
        await served_models(server.url, Credentials(KEY, None))
    assert KEY not in str(refused.value)
    assert "401" in caplog.text
    assert KEY not in caplog.text


async def test_cancelling_hangs_up(server: FaultServer) -> None:
    server.script = [hang]
    async with connect(server, timeout_s=60.0) as model:
        call = asyncio.create_task(model.sample(ask()))
        await until(lambda: server.open == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: server.open == 0)


async def test_many_calls_in_flight_at_once(server: FaultServer) -> None:
    call_limiter = asyncio.Event()

    async def wait(request: Any, body: Any) -> Any:
        await call_limiter.wait()
        return await send(completion())(request, body)

    server.script = [wait] * 1200
    async with connect(server, timeout_s=60.0) as model:
        calls = [asyncio.create_task(model.sample(ask(seed=i))) for i in range(1200)]
        await until(lambda: server.open == 1200)
        call_limiter.set()
        replies = await asyncio.gather(*calls)
    assert {reply.tries for reply in replies} == {1}
    assert {body["seed"] for body in server.bodies} == set(range(1200))


async def test_calls_go_to_the_least_busy_server(server: FaultServer) -> None:
    async with FaultServer() as other, connect(server, base_urls=[server.url, other.url], timeout_s=60.0) as model:
        server.script, other.script = [hang] * 8, [hang] * 8
        calls = [asyncio.create_task(model.sample(ask())) for _ in range(8)]
        await until(lambda: server.open + other.open == 8)
        assert (server.open, other.open) == (4, 4)
        assert model.concurrency == 512
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_server_that_died_is_avoided(server: FaultServer) -> None:
    async with FaultServer() as other:
        policy = RetryPolicy(first_s=60.0, longest_s=60.0)  # so that the pause outlasts the test
        model = connect(server, base_urls=[other.url, server.url], retries=policy)
        await model.__aenter__()
    replies = [await model.sample(ask()) for _ in range(5)]
    await model.__aexit__(None, None, None)
    assert replies[0].tries > 1
    assert [reply.tries for reply in replies[1:]] == [1, 1, 1, 1]


async def test_populations_stay_whole_through_every_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 % of the calls go wrong in all ways: each call ends in a reply or in an error of the kind it deserves."""
    monkeypatch.setattr(client, "LARGEST_REPLY", 2**20)
    patient = {"timeout_s": 2.0, "retries": replace(QUICK, tries=6)}  # a busy machine is no fault
    async with FaultServer(rate=0.1, seed=5) as server, connect(server, **patient) as model:
        limit = asyncio.Semaphore(64)

        async def call(i: int) -> Reply | ModelError:
            async with limit:
                try:
                    return await model.sample(ask(seed=i))
                except ModelError as error:
                    return error

        ends = await asyncio.gather(*map(call, range(600)))
    errors = [end for end in ends if isinstance(end, ModelError)]
    assert len(FAULTS) == 16
    assert 0 < len(errors) < 40  # the unknown model and the context errors: 2 of 16 faults, about 8 calls
    assert all("answered 404" in str(error) or isinstance(error, ContextOverflow) for error in errors)
    assert not any(error.fatal for error in errors)
    assert any(isinstance(end, Reply) and end.tries > 1 for end in ends)


class TestLearning:
    """What a server shows in a call changes the next one; the words are tried in test_profile.py."""

    async def test_a_gateway_that_cuts_silence_is_streamed(self, server: FaultServer) -> None:
        server.models = send({"data": [{"id": "fake", "owned_by": "vllm"}]})
        server.script = [send("<html><h1>504 Gateway Time-out</h1></html>", 504)]
        async with connect(server) as model:
            assert (await model.sample(ask())).tries == 2
        assert [body["stream"] for body in server.bodies] == [False, True]

    async def test_a_stream_that_breaks_off_is_tried_again(self, server: FaultServer) -> None:
        begun = {"choices": [{"index": 0, "delta": {"content": "fi"}, "finish_reason": None}]}
        failed = {"error": {"message": "unknown field 'seed'", "code": 400}}
        server.script = [stream([begun], drop=True), stream([begun, {"error": {"message": "busy", "code": 503}}])]
        async with connect(server) as model:
            reply = await model.sample(ask())
            assert (reply.text, reply.tries) == ("four", 3)
            server.script = [stream([begun, failed])]
            with pytest.raises(ModelError, match="broke off"):
                [item async for item in model.stream(ask())]
        assert len(server.bodies) == 4  # nothing is sent again once a piece was handed out

    async def test_a_renewed_key_is_read(self, server: FaultServer, tmp_path: Path) -> None:
        path = tmp_path / "key"
        path.write_text("old-key")
        async with connect(server, api_key=None, api_key_file=path) as model:
            path.write_text("new-key")
            server.script = [refuse(401, "expired")]
            assert (await model.sample(ask())).tries == 1
            server.script = [refuse(401, "expired")] * 2
            with pytest.raises(ModelError, match="expired") as refused:
                await model.sample(ask())
        assert refused.value.fatal
        assert [one["Authorization"] for one in server.headers[1:3]] == ["Bearer old-key", "Bearer new-key"]

    async def test_a_redirect_that_must_not_be_followed_ends_the_run(self, server: FaultServer) -> None:
        async def away(request: Any, body: Any) -> Any:
            return web.Response(status=302, headers={"Location": "https://login.example/sso"})

        server.script = [away, away]
        async with connect(server) as model:
            with pytest.raises(ModelError, match=r"redirects to https://login\.example/sso") as refused:
                await model.sample(ask())
            with pytest.raises(ModelError, match="redirects"):
                [item async for item in model.stream(ask())]
        assert refused.value.fatal

    async def test_a_name_that_is_refused_gets_the_right_one_offered(self, server: FaultServer) -> None:
        server.models = send({"data": [{"id": "fakes"}]})
        server.script = [refuse(404, "The model `fake` does not exist", code="model_not_found")]
        async with connect(server) as model:
            with pytest.raises(ModelError, match=r"does not exist; did you mean fakes\?") as refused:
                await model.sample(ask())
        assert refused.value.fatal

    async def test_a_dead_replica_is_no_reason_to_stop(
        self, server: FaultServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connect(server, base_urls=["http://127.0.0.1:9/v1", server.url], retries=SLOW) as model:
            assert (await model.sample(ask())).tries == 1
        assert "cannot connect to http://127.0.0.1:9/v1" in caplog.text

    async def test_a_connection_can_be_used_from_solve(self, server: FaultServer) -> None:
        model = connect(server)
        how: dict[str, Any] = {"model": model, "n": 2, "k": 2, "t": 2}
        answers = [await asyncio.to_thread(solve, "2 + 2?", **how) for _ in range(2)]  # not open: opened for each
        async with model:
            answers += await asyncio.gather(*(asyncio.to_thread(solve, "2 + 2?", **how) for _ in range(2)))
            answers += await asyncio.gather(*(asolve("2 + 2?", **how) for _ in range(2)))
            assert (await model.sample(ask())).text == "four"
        assert [answer.text for answer in answers] == ["four"] * 6


class TestEntering:
    async def test_nobody_there(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
            with pytest.raises(UsageError, match=rf"^cannot connect to {url} \(.*refused.*\)$"):
                await OpenAIModel("fake", base_urls=[url]).__aenter__()

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (refuse(401, "bad key"), "refused the API key (401: bad key)"),
            (refuse(403), "refused the API key"),
            (refuse(500, "broken"), "answered 500: broken"),
            (send({"data": [{"id": "fakes"}, {"id": "others"}]}), "does not list 'fake' (did you mean fakes?)"),
            (send({"data": [{"id": "qwen"}]}), "does not list 'fake' (it lists qwen)"),
            (send("not JSON"), "not JSON"),
            (send("<!doctype html><h1>Welcome</h1>"), "a web page instead of JSON (Welcome)"),
            (hang, "no answer within"),
            (reset, "was lost"),
        ],
    )
    async def test_the_list_informs_and_never_vetoes(
        self,
        server: FaultServer,
        fault: Fault,
        words: str,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(discovery, "LIST_S", 0.5)
        server.models = fault
        async with connect(server) as model:
            assert (await model.sample(ask())).text == "four"
        assert [words in record.message for record in caplog.records] == ([True] if "web page" not in words else [])

    async def test_no_key_where_one_is_wanted(
        self, server: FaultServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        server.models, server.script = refuse(401), [refuse(401)]
        async with connect(server, api_key=None) as model:
            with pytest.raises(ModelError, match="answered 401") as refused:
                await model.sample(ask())
        assert refused.value.fatal
        assert "asks for an API key" in caplog.text

    @pytest.mark.parametrize("fault", [refuse(404), refuse(405), send({"data": None}), send([])])
    async def test_a_server_without_a_list_is_taken_at_its_word(
        self, server: FaultServer, fault: Fault, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.models = fault
        async with connect(server) as model:
            assert (model.context, model.concurrency) == (None, 256)
            assert (await model.sample(ask())).text == "four"
        assert not caplog.records

    @pytest.mark.parametrize(
        ("entry", "context"),
        [
            ({"max_model_len": 4096}, 4096),
            ({"context_length": 131072}, 131072),
            ({"context_window": 8192}, 8192),
            ({"meta": {"n_ctx_train": 2048}}, 2048),
            ({"max_model_len": "many"}, None),
        ],
    )
    async def test_context_length(self, server: FaultServer, entry: dict[str, Any], context: int | None) -> None:
        server.models = send({"data": [{"id": "fake"} | entry]})
        async with connect(server) as model:
            assert model.context == context
        async with connect(server, context=1000, concurrency=3) as model:
            assert (model.context, model.concurrency) == (1000, 3)

    @pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "", "http://", "http://host:port/v1"])
    def test_no_address(self, url: str) -> None:
        with pytest.raises(UsageError, match="is no address"):
            OpenAIModel("fake", base_urls=[url])

    def test_addresses_are_shown_without_passwords(self) -> None:
        with pytest.raises(UsageError, match="'ftp://host/v1'"):
            OpenAIModel("fake", base_urls=["ftp://me:word@host/v1"])
        assert "word" not in repr(OpenAIModel("fake", base_urls=["http://me:word@localhost:8000?key=word"]))

    def test_the_official_address_wants_a_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
        with pytest.raises(UsageError, match="needs an API key"):
            OpenAIModel("gpt")

    async def test_key_and_address_from_the_environment(
        self, server: FaultServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "of-the-environment")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        async with OpenAIModel("fake"):
            assert server.headers[-1]["Authorization"] == "Bearer of-the-environment"

    async def test_key_from_a_file(self, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "of-the-environment")
        path = tmp_path / "key"
        path.write_text(f"{KEY}\n")
        async with connect(server, api_key=None, api_key_file=path):
            assert server.headers[-1]["Authorization"] == f"Bearer {KEY}"
        path.write_text("")
        with pytest.raises(UsageError, match="is empty"):
            connect(server, api_key=None, api_key_file=path)
        with pytest.raises(UsageError, match="cannot read the API key file"):
            connect(server, api_key=None, api_key_file=tmp_path / "none")
        with pytest.raises(UsageError, match="characters that no key has"):
            connect(server, api_key="two\nlines")


class TestListing:
    async def test_what_a_server_offers(self, server: FaultServer) -> None:
        server.models = send(
            {"data": [{"id": "a", "max_model_len": 10}, {"id": "b"}, {"name": "no id"}, {"object": "none"}, 3]}
        )
        assert await served_models(server.url, Credentials(KEY, None)) == [
            ServedModel("a", 10, "vllm"),
            ServedModel("b"),
            ServedModel("no id"),
        ]
        assert server.headers[-1]["Authorization"] == f"Bearer {KEY}"

    async def test_a_server_that_does_not_say(self, server: FaultServer) -> None:
        server.models = refuse(404)
        with pytest.raises(UsageError, match="does not list its models"):
            await served_models(server.url, Credentials(KEY, None))

    async def test_a_refusal_that_may_pass_is_not_waited_for(self, server: FaultServer) -> None:
        server.models = refuse(503, "starting", {"Retry-After": "60"})
        with pytest.raises(UsageError, match="answered 503: starting"):
            await served_models(server.url, Credentials(KEY, None))


class TestCounting:
    @pytest.mark.parametrize(
        "text", ["word " * 500, "0 1 1 0 2\n" * 50, r"\frac{x^{2}}{\sqrt{17}} \leq a_i" * 20, "数学问题" * 50]
    )
    async def test_the_estimate_errs_upwards(self, server: FaultServer, llama_server: str, text: str) -> None:
        messages = ask(text).messages
        async with connect(server) as model, OpenAIModel("smollm2", base_urls=[llama_server], api_key="none") as real:
            estimate, truth = await model.count_tokens(messages), await real.count_tokens(messages)
        assert truth <= estimate <= 3 * truth

    async def test_by_vllm(self, server: FaultServer) -> None:
        server.models = send({"data": [{"id": "fake", "owned_by": "vllm"}]})
        server.other["/tokenize"] = send({"count": 77})
        async with connect(server) as model:
            assert await model.count_tokens(ask().messages) == 77
            server.other["/tokenize"] = refuse(500)
            assert await model.count_tokens(ask().messages) == estimate_tokens(ask().messages)

    async def test_a_gateway_that_hides_the_tokenizer(self, server: FaultServer) -> None:
        server.models = send({"data": [{"id": "fake", "owned_by": "vllm"}]})
        async with connect(server) as model:
            assert await model.count_tokens(ask().messages) == estimate_tokens(ask().messages)


class TestLlamaCpp:
    @pytest.fixture
    async def model(self, llama_server: str) -> AsyncIterator[OpenAIModel]:
        async with OpenAIModel("smollm2", base_urls=[llama_server], api_key="none") as model:
            yield model

    async def test_it_tells_slots_and_context(self, model: OpenAIModel) -> None:
        assert (model.concurrency, model.context) == (4, 4096)

    async def test_a_reply(self, model: OpenAIModel) -> None:
        reply = await model.sample(ask("Say hello.", max_tokens=8, logprobs=True))
        assert reply.text
        assert reply.usage.completion <= 8
        assert reply.logprobs is not None
        assert len(reply.logprobs) == reply.usage.completion
        assert max(reply.logprobs) <= 0.0

    async def test_cached_tokens_and_the_exact_count(self, model: OpenAIModel) -> None:
        request = ask("Count to ten. " * 20, max_tokens=1)
        counted = await model.count_tokens(request.messages)
        first, second = await model.sample(request), await model.sample(request)
        assert first.usage.prompt == second.usage.prompt == counted
        assert second.usage.cached > counted // 2
        assert first.stop is Stop.LENGTH

    async def test_a_prompt_too_long(self, model: OpenAIModel) -> None:
        with pytest.raises(ContextOverflow, match="context size"):
            await model.sample(ask("word " * 5000))

    async def test_cancelling_frees_the_slot(self, model: OpenAIModel, llama_server: str) -> None:
        async def busy() -> bool:
            await asyncio.sleep(1.2)  # the server looks after a lost client when it had a second without results
            async with http.get(llama_server.removesuffix("/v1") + "/slots") as answer:
                return any(slot["is_processing"] for slot in await answer.json())

        async with aiohttp.ClientSession() as http, asyncio.timeout(20):
            request = ask("Write a very long story.", max_tokens=4000, extra_body={"ignore_eos": True})
            call = asyncio.create_task(model.sample(request))
            assert await busy()
            call.cancel()
            while await busy():
                pass

    async def test_listing(self, llama_server: str) -> None:
        (listed,) = await served_models(llama_server, Credentials(None, None))
        assert (listed.id, listed.context, listed.owner) == ("smollm2", 4096, "llamacpp")

    async def test_another_name_is_served_too(self, llama_server: str, caplog: pytest.LogCaptureFixture) -> None:
        async with OpenAIModel("smollm3", base_urls=[llama_server], api_key="none") as model:
            assert (await model.sample(ask("Say hello.", max_tokens=8))).text
        assert "did you mean smollm2" in caplog.text


async def test_a_server_that_refuses_streams_loses_no_call() -> None:
    async def chat(http: web.Request) -> web.Response:
        streamed = (await http.json())["stream"]
        await asyncio.sleep(0.05)  # so that all calls are out before the first one is refused
        words = {"error": {"message": "streaming is not supported for this model"}}
        return web.json_response(words, status=400) if streamed else web.json_response(completion("4"))

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        async with OpenAIModel("fake", base_urls=[url], api_key=KEY, retries=QUICK) as model:
            replies = await asyncio.gather(*(model.sample(ask()) for _ in range(8)))
            items = [item async for item in model.stream(ask())]
    finally:
        await runner.cleanup()
    assert [reply.text for reply in replies] == ["4"] * 8
    assert isinstance(items[-1], Reply)
    assert items[-1].text == "4"
