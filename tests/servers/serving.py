"""Serves the application on a real port, in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from waiting import until

from selfagg.models.base import Model
from selfagg.server.app import create_app
from selfagg.server.service import Service
from selfagg.server.settings import ServeSettings
from selfagg.server.start import listening


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
        config = uvicorn.Config(
            create_app(service),
            lifespan="off",
            log_config=None,
            access_log=False,
            backlog=4096,
            timeout_graceful_shutdown=grace_s,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[taken]))
        await until(lambda: server.started)
        try:
            yield Served(f"http://127.0.0.1:{taken.getsockname()[1]}", service)
        finally:
            server.should_exit = True
            await task
            taken.close()
