"""Pages of other sites: preflights, headers that let a page read an answer, and whose pages those may be."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from serving import Served, serving

from selfagg.errors import UsageError
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server.settings import ServeSettings, check_address

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


@pytest.mark.parametrize(
    "origin", ["example.org", "https://example.org/", "https://example.org/chat", "", "https://*.org"]
)
def test_what_is_no_origin_is_named(origin: str) -> None:
    with pytest.raises(UsageError, match="--allow-origin"):
        check_address("127.0.0.1", ServeSettings(allow_origins=(origin,)))


def test_all_sites_need_a_key() -> None:
    with pytest.raises(UsageError, match="every page on the web"):
        check_address("127.0.0.1", ServeSettings(allow_origins=("*",)))
    check_address("127.0.0.1", ServeSettings(allow_origins=("*",), keys=("k",)))
    check_address("127.0.0.1", ServeSettings(allow_origins=(SITE, "chrome-extension://abc", "http://10.0.0.2:3000")))
