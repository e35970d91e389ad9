"""Keys, pages of other sites, and request bodies: who is let in, and with how much."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
import pytest
from serving import Served, serving
from waiting import until

from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server import access
from selfagg.server.settings import ServerLimits, ServeSettings

CHAT = "/v1/chat/completions"
BODY = {"model": "simulated:", "messages": [{"role": "user", "content": "what?"}], "rsa": {"n": 2, "k": 1, "t": 1}}
SITE = "https://chat.example.org"
ALLOWED = ServeSettings(allow_origins=(SITE, "app://obsidian.md"))
HERE = ["http://localhost:3000", "http://127.0.0.1", "https://localhost:8443", "http://[::1]:5173"]
ELSEWHERE = ["https://evil.example", "https://chat.example.org.evil.example", "http://localhost.evil.example", "null"]


async def asked(served: Served, method: str, headers: dict[str, str], path: str = CHAT) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, served.url + path, json=BODY if method == "POST" else None, headers=headers) as answer,
    ):
        await answer.read()
        return answer.status, answer.headers


def preflight(origin: str) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
        "Access-Control-Request-Private-Network": "true",
    }


@pytest.mark.parametrize("origin", [*HERE, SITE, "app://obsidian.md"])
async def test_a_page_of_this_machine_or_an_allowed_site_asks_and_reads(origin: str) -> None:
    async with serving(SimulatedModel(Simulation()), ALLOWED) as served:
        status, headers = await asked(served, "OPTIONS", preflight(origin))
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, origin)
        assert "x-stainless-os" in headers["Access-Control-Allow-Headers"]
        assert headers["Access-Control-Allow-Private-Network"] == "true"
        status, headers = await asked(served, "POST", {"Origin": origin, "Sec-Fetch-Site": "cross-site"})
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, origin)
        assert "X-Selfagg-Spent" in headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("origin", ELSEWHERE)
async def test_a_page_of_another_site_neither_asks_nor_reads(origin: str) -> None:
    async with serving(SimulatedModel(Simulation()), ALLOWED) as served:
        for method, sent, expected in (("OPTIONS", preflight(origin), 400), ("POST", {"Origin": origin}, 403)):
            status, headers = await asked(served, method, sent)
            assert status == expected
            assert "Access-Control-Allow-Origin" not in headers


async def test_a_site_is_allowed_only_where_it_is_named() -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        assert (await asked(served, "POST", {"Origin": SITE}))[0] == 403
        assert (await asked(served, "OPTIONS", preflight(SITE)))[0] == 400


async def test_a_preflight_carries_no_key_but_the_request_needs_one_and_its_refusal_can_be_read() -> None:
    settings = ServeSettings(keys=("secret",), allow_origins=("*",))
    async with serving(SimulatedModel(Simulation()), settings) as served:
        assert (await asked(served, "OPTIONS", preflight("https://any.example")))[0] == 200
        for key, expected in (("wrong", 401), ("secret", 200)):
            sent = {"Origin": "https://any.example", "Authorization": f"Bearer {key}"}
            status, headers = await asked(served, "POST", sent)
            assert (status, headers["Access-Control-Allow-Origin"]) == (expected, "*")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("host.docker.internal:8080", 200),
        ("Host.Docker.Internal", 200),
        ("host.containers.internal:8080", 200),
        ("host.docker.internal.evil.example", 403),
        ("evil.example", 403),
    ],
)
async def test_a_container_on_this_machine_is_answered(host: str, status: int) -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        assert (await asked(served, "POST", {"Host": host}))[0] == status
        assert (await asked(served, "POST", {"Host": host, "Origin": "https://evil.example"}))[0] == 403


async def test_one_of_the_keys_is_needed_where_there_are_any() -> None:
    settings = ServeSettings(keys=("first", "second"))
    async with serving(SimulatedModel(Simulation()), settings) as served, aiohttp.ClientSession() as session:
        for key, status in (
            ("", 401),
            ("Bearer wrong", 401),
            ("Bearer first", 200),
            ("bearer second", 200),
            ("first", 401),
        ):
            got, body = await post(served, {"Authorization": key} if key else {})
            assert got == status
            if status == 401:
                assert body["error"]["code"] == "invalid_api_key"
                assert body["error"]["type"] == "authentication_error"
        for path, status in (("/v1/models", 401), ("/metrics", 401), ("/health", 200), ("/", 200)):
            async with session.get(served.url + path) as answer:
                assert answer.status == status
    assert "first" not in repr(settings)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": "example.org:8080"}, 403),
        ({"Host": "["}, 403),
        ({"Host": "[::1]evil.com"}, 403),
        ({"Host": "127.0.0.1.example.org"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://example.org"}, 403),
        ({"Origin": "http://localhost@example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
    ],
)
async def test_without_keys_no_page_of_another_site_gets_in(headers: dict[str, str], status: int) -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        assert (await post(served, headers, rsa=False))[0] == status
    async with serving(SimulatedModel(Simulation()), ServeSettings(keys=("key",))) as served:
        assert (await post(served, headers | {"Authorization": "Bearer key"}, rsa=False))[0] == 200


@pytest.mark.parametrize(("size", "status"), [(10_000, 400), (10_001, 413)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_may_have_as_many_bytes_as_the_limit_and_no_more(size: int, status: int, chunked: bool) -> None:
    async def pieces() -> Any:
        yield b"x" * 4000
        yield b"x" * (size - 4000)

    settings = ServeSettings(limits=ServerLimits(body_bytes=10_000))
    async with (
        serving(SimulatedModel(Simulation()), settings) as served,
        aiohttp.ClientSession() as session,
        session.post(served.url + CHAT, data=pieces() if chunked else b"x" * size) as answer,
    ):
        assert answer.status == status


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_not_read(chunked: bool) -> None:
    async def pieces() -> Any:
        for _ in range(100):
            yield b"x" * 1000

    settings = ServeSettings(limits=ServerLimits(body_bytes=10_000))
    async with serving(SimulatedModel(Simulation()), settings) as served, aiohttp.ClientSession() as session:
        data = pieces() if chunked else b"x" * 100_000
        async with session.post(f"{served.url}/v1/chat/completions", data=data) as answer:
            assert answer.status == 413
            assert (await answer.json())["error"]["code"] == "request_too_large"
        assert (await post(served))[0] == 200


async def post(served: Served, headers: dict[str, str] | None = None, **fields: Any) -> tuple[int, Any]:
    sent = {name: value for name, value in BODY.items() if name != "rsa"} | fields
    async with (
        aiohttp.ClientSession() as session,
        session.post(served.url + CHAT, json=sent, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def uploading(served: Served, declared: int, sent: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An upload of which only the first bytes come."""
    port = int(served.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {declared}\r\n\r\n"
    writer.write(head.encode() + b"x" * sent)
    await writer.drain()
    return reader, writer


async def status(reader: asyncio.StreamReader) -> int:
    return int((await reader.readline()).split()[1])


async def test_an_upload_takes_its_place_before_it_is_read() -> None:
    settings = ServeSettings(limits=ServerLimits(open_requests=1))
    async with serving(SimulatedModel(Simulation()), settings) as served:
        _, first = await uploading(served, 1000, 1)
        await until(lambda: served.service.open_requests == 1)
        reader, second = await uploading(served, 1000, 1)
        assert await status(reader) == 429
        for writer in (first, second):
            writer.close()
        await until(lambda: served.service.open_requests == 0)


async def test_all_bodies_together_are_bounded_and_let_go_of() -> None:
    settings = ServeSettings(limits=ServerLimits(body_bytes=1000, bodies_at_once=2))
    async with serving(SimulatedModel(Simulation()), settings) as served:
        held = [await uploading(served, 1000, 900) for _ in range(2)]
        await until(lambda: served.service.open_requests == 2)
        reader, third = await uploading(served, 1000, 900)
        assert await status(reader) == 429
        for _, writer in [*held, (reader, third)]:
            writer.close()
        await until(lambda: served.service.open_requests == 0)
        reader, writer = await uploading(served, 1000, 1000)
        assert await status(reader) == 400  # read whole: it is no JSON
        writer.close()


async def test_a_body_that_stops_coming_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "SILENCE_S", 0.05)
    async with serving(SimulatedModel(Simulation())) as served:
        reader, writer = await uploading(served, 1000, 1)
        assert await status(reader) == 408
        writer.close()
        await until(lambda: served.service.open_requests == 0)


async def test_a_cut_upload_is_no_failure_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(SimulatedModel(Simulation())) as served:
        _, writer = await uploading(served, 1000, 1)
        await until(lambda: served.service.open_requests == 1)
        writer.transport.abort()
        await until(lambda: served.service.open_requests == 0)
    assert any('"status": 499' in line.getMessage() for line in caplog.records)
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR]
