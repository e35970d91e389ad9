"""One exchange with a server that redirects, falls silent, or errs in odd ways; proxies and certificates."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import certifi
import pytest
from aiohttp import web
from openai_faults import Fault, FaultServer, completion, fine, refuse, send, stream

from selfagg.errors import UsageError
from selfagg.models.openai import client
from selfagg.models.openai.address import Credentials, read_address
from selfagg.models.openai.client import Server
from selfagg.models.openai.refusal import Refusal
from selfagg.models.openai.wire import DONE
from selfagg.models.pace import TransientError

CHAT = "chat/completions"
LIVELY: list[bytes | float] = [b": keep-alive\n\n", 0.05] * 40
MOVING: list[bytes | float] = [b"data: 1\n\n", 0.1] * 12


@asynccontextmanager
async def opened(url: str, *, timeout_s: float = 5.0) -> AsyncIterator[Server]:
    server = Server(read_address(url), Credentials("sk-secret-key", None), timeout_s=timeout_s)
    server.open()
    try:
        yield server
    finally:
        await server.close()


def written(*pieces: bytes | float, hold: bool = False) -> Fault:
    """Writes these pieces of a stream, with pauses of so many seconds."""

    async def fault(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            if isinstance(piece, bytes):
                await response.write(piece)
            else:
                await asyncio.sleep(piece)
        if hold:
            await asyncio.sleep(3600)
        return response

    return fault


async def events(server: Server, *, whole: bool = False) -> list[object]:
    return [event async for event in server.events(CHAT, {}, lambda: whole)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_post_is_redirected_with_its_body(status: int) -> None:
    async with FaultServer() as there, FaultServer() as here:
        here.script = [send_moved(status, f"{there.url}/{CHAT}")]
        async with opened(here.url) as server:
            assert await server.ask(CHAT, {"a": 1}) == completion()
            assert await server.ask(CHAT, {"a": 2}) == completion()
            assert server.url == there.url
        assert there.bodies == [{"a": 1}, {"a": 2}]
        assert here.calls == 1
        assert there.headers[0]["Authorization"] == "Bearer sk-secret-key"


def send_moved(status: int, location: str) -> Fault:
    async def fault(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": location})

    return fault


async def test_the_key_is_not_sent_to_another_host() -> None:
    async with FaultServer() as there, FaultServer() as here:
        here.script = [send_moved(308, f"{there.url.replace('127.0.0.1', 'localhost')}/{CHAT}")]
        async with opened(here.url) as server:
            with pytest.raises(UsageError, match="redirects to http://localhost"):
                await server.ask(CHAT, {})
        assert not there.calls


async def test_a_redirect_in_a_circle_ends() -> None:
    async with FaultServer() as here:
        here.script = [send_moved(307, f"{here.url}/{CHAT}")] * 9
        async with opened(here.url) as server:
            with pytest.raises(UsageError, match="redirects without end"):
                await server.ask(CHAT, {})


async def test_comments_are_no_sign_of_life() -> None:
    async with (
        FaultServer(written(*LIVELY)) as here,
        opened(here.url, timeout_s=0.5) as server,
    ):
        with pytest.raises(TransientError, match=r"gave no answer within 0.5 s"):
            await events(server)


async def test_a_stream_that_moves_is_not_hanging() -> None:
    moving = written(*MOVING)
    async with FaultServer(moving) as here, opened(here.url, timeout_s=1.0) as server:
        assert await events(server) == [1] * 12


@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", b""])
async def test_a_whole_reply_is_not_kept_waiting_by_a_connection_that_stays_open(
    end: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "AFTERWARDS_S", 0.1)
    async with FaultServer(written(b"data: 1\n\n", end, hold=True)) as here, opened(here.url, timeout_s=60.0) as server:
        async with asyncio.timeout(30):
            assert [event for event in await events(server, whole=True) if event is not DONE] == [1]


async def test_a_server_that_does_not_stream() -> None:
    async with FaultServer(send(completion())) as here, opened(here.url) as server:
        assert await events(server) == [completion()]


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        ({"error": {"message": "overloaded", "code": 503}}, 503, "overloaded"),
        ({"error": "just words"}, 502, "just words"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 502, "Overloaded"),
        ({"object": "error", "message": "too long", "code": 400}, 400, "too long"),
        ([{"error": {"message": "array", "code": "429"}}], 429, "array"),
        ({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, 402, "balance"),
        ({"errors": [{"message": "several"}]}, 502, "several"),
    ],
)
async def test_an_error_within_an_answer_of_200(sent: object, status: int, words: str) -> None:
    async with FaultServer(send(sent), stream([{"choices": []}, sent])) as here, opened(here.url) as server:
        for ask in (server.ask(CHAT, {}), events(server)):
            with pytest.raises(Refusal) as refused:
                await ask
            assert refused.value.status == status
            assert words in refused.value.message


async def test_a_web_page_is_told_as_one() -> None:
    page = "<!DOCTYPE html><html><head><title>x</title></head><body>Sign  in</body></html>"
    async with FaultServer(send(page), send(page)) as here, opened(here.url) as server:
        for ask in (server.ask(CHAT, {}), events(server)):
            with pytest.raises(Refusal) as refused:
                await ask
            assert refused.value.message == "a web page instead of JSON (Sign in)"
            assert isinstance(refused.value.error("host", proven=True), TransientError)
            assert getattr(refused.value.error("host", proven=False), "fatal", False)


async def test_a_secret_of_the_address_is_scrubbed() -> None:
    async with FaultServer(refuse(400, "key=hidden-value of me:pass-word is bad")) as here:
        url = here.url.replace("://", "://me:pass-word@") + "?key=hidden-value"
        async with opened(url) as server:
            with pytest.raises(Refusal) as refused:
                await server.ask(CHAT, {})
        assert refused.value.message == "key=*** of me:*** is bad"


async def test_a_dead_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://me:word@127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://me:word@127.0.0.1:9")
    async with opened("http://127.0.0.1:8/v1") as server:
        with pytest.raises(TransientError, match=r"by the proxy http://127.0.0.1:9 ") as lost:
            await server.ask("models")
    assert lost.value.unreachable


async def test_a_connection_serves_each_event_loop() -> None:
    async with FaultServer(fine) as here, opened(here.url) as server:

        async def elsewhere() -> object:
            server.open()
            try:
                return await server.ask(CHAT, {})
            finally:
                await server.close()

        assert await asyncio.to_thread(lambda: asyncio.run(elsewhere())) == completion()
        assert json.dumps(await server.ask(CHAT, {}))


async def test_used_outside_of_its_block() -> None:
    server = Server(read_address("http://host/v1"), Credentials("k", None), timeout_s=1.0)
    with pytest.raises(RuntimeError, match="outside"):
        await server.ask("models")


# -- proxies and certificates, as the environment names them


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", *client._BUNDLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "http://host/v1", None),
        ({"HTTP_PROXY": "http://p:3128"}, "http://host/v1", "http://p:3128"),
        ({"HTTP_PROXY": "p:3128"}, "http://host/v1", "http://p:3128"),
        ({"HTTP_PROXY": "http://p:3128"}, "https://host/v1", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "https://host/v1", "http://p:3128"),
        ({"ALL_PROXY": "socks5://p:1080"}, "https://host/v1", "socks5://p:1080"),
        ({"HTTP_PROXY": "http://p:3128", "NO_PROXY": "localhost,127.0.0.1"}, "http://127.0.0.1:8000/v1", None),
        ({"HTTP_PROXY": "http://p:3128", "NO_PROXY": ".corp.example"}, "http://llm.corp.example/v1", None),
        ({"HTTP_PROXY": "http://p:3128", "NO_PROXY": "*"}, "http://host/v1", None),
        ({"HTTP_PROXY": "http://p:3128", "NO_PROXY": "10.0.0.0/8, x"}, "http://10.1.2.3/v1", None),
        ({"HTTP_PROXY": "http://p:3128", "NO_PROXY": "10.0.0.0/8"}, "http://11.1.2.3/v1", "http://p:3128"),
    ],
)
def test_which_proxy(environment: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert client.proxy_for(url) == proxy


def test_a_proxy_is_shown_without_its_password() -> None:
    assert client._shown("http://me:word@p:3128") == "http://p:3128"


@pytest.mark.usefixtures("no_proxies")
def test_socks_needs_a_package_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:word@p:1080")
    monkeypatch.setitem(__import__("sys").modules, "aiohttp_socks", None)
    with pytest.raises(UsageError, match=r"socks5://p:1080 is a SOCKS proxy, which needs: pip install aiohttp-socks"):
        Server(read_address("http://host/v1"), Credentials("k", None), timeout_s=1.0).open()


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("variable", client._BUNDLES)
def test_certificates_of_each_variable(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(variable, certifi.where())
    context = client.tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509_ca"] > 50
    monkeypatch.setenv(variable, str(tmp_path))  # a folder of certificates, as OpenSSL keeps them
    client.tls()
    monkeypatch.setenv(variable, str(tmp_path / "none.pem"))
    with pytest.raises(UsageError, match=rf"{variable} names .*none.pem, which holds no certificates"):
        client.tls()
