"""Serves the application on a real port, in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from waiting import until

from selfagg.models.base import Model
from selfagg.server.service import Service
from selfagg.server.settings import ServeSettings
from selfagg.server.start import HttpServer, listening


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        url: Its address, without ``/v1``.
        service: What its requests share.
    """

    url: str
    service: Service


@asynccontextmanager
async def serving(
    model: Model, settings: ServeSettings | None = None, *, concurrency: int | None = None, grace_s: int = 1
) -> AsyncIterator[Served]:
    """Serves ``model`` until the block ends."""
    async with Service(model, settings or ServeSettings(), concurrency) as service:
        taken = listening("127.0.0.1", 0)
        server = HttpServer(service, grace_s)
        task = asyncio.create_task(server.serve(sockets=[taken]))
        await until(lambda: server.started)
        try:
            yield Served(f"http://127.0.0.1:{taken.getsockname()[1]}", service)
        finally:
            server.should_exit = True
            await task
            taken.close()
