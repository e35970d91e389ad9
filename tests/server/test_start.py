"""Connections: bounded headers, no patience with those who say nothing; and what is refused before there are any."""

from __future__ import annotations

import asyncio

import pytest
from serving import serving

from selfagg.cli import app
from selfagg.errors import UsageError
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server import start

ASK = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


async def answered(url: str, *pieces: bytes) -> bytes:
    """All that the server says to these bytes until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()
    except ConnectionError:  # closed with bytes on their way
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "flood",
    [
        [ASK + b"X: ", *[b"a" * 8192] * 20],
        [b"GET /" + b"a" * 8192, *[b"a" * 8192] * 20],
        [ASK, *[b"X: a\r\n" * 1000] * 20],
        [
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\n{\r\n0\r\n",
            *[b"X: a\r\n" * 1000] * 40,  # what comes with the end of the body is not counted
        ],
    ],
    ids=["one header", "address", "many headers", "trailer"],
)
async def test_headers_without_end_close_the_connection(flood: list[bytes]) -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        assert b" 200 " not in await answered(served.url, *flood)


async def test_large_headers_within_the_bound_are_fine() -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        assert b" 200 " in await answered(served.url, ASK, b"X: " + b"a" * 30_000, b"\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("said", [b"", ASK, ASK + b"\r\n" + ASK], ids=["nothing", "half a head", "a second half head"])
async def test_a_silent_connection_is_closed(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "HEAD_S", 0.05)
    monkeypatch.setattr(start, "LINGER_S", 0.05)
    async with serving(SimulatedModel(Simulation())) as served, asyncio.timeout(20):
        await answered(served.url, said)


async def test_a_refused_upload_that_goes_on_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "LINGER_S", 0.05)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: example.org\r\nContent-Length: 1000\r\n\r\n{"
    async with serving(SimulatedModel(Simulation())) as served, asyncio.timeout(20):
        assert b" 403 " in await answered(served.url, head)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "--client-keys"),
        (["-n", "2", "-k", "3"], "k = 3"),
        (["--candidate", "half"], "candidate view"),
        (["--model", "openai:x", "--base-url", "http://127.0.0.1:9/v1"], "cannot connect"),
        (["--client-keys", "missing"], "cannot read the client keys"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_sentence(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SELFAGG_API_KEYS", raising=False)
    model = [] if "--model" in arguments else ["--model", "simulated:"]
    with pytest.raises(UsageError, match=said) as refusal:
        app(["serve", "--port", "0", *model, *arguments], standalone_mode=False)
    assert "\n" not in str(refusal.value)
