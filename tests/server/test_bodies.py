"""Request bodies: bounded before and while they are read, one by one and together."""

from __future__ import annotations

import asyncio
import logging

import pytest
from serving import Served, serving
from waiting import until

from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server import access
from selfagg.server.settings import ServerLimits, ServeSettings

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def uploading(served: Served, declared: int, sent: int) -> Streams:
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
