"""Run the server until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any, Final

import uvicorn

from selfagg._internal.signals import heard_by
from selfagg.errors import UsageError
from selfagg.models import Access
from selfagg.models.base import Model
from selfagg.models.openai.network import allow_many_connections
from selfagg.models.pace import RetryPolicy
from selfagg.server.app import create_app
from selfagg.server.protocol import BoundedProtocol
from selfagg.server.service import Service
from selfagg.server.settings import ServeSettings

PATIENCE_S: Final = 30.0
"""Shorter than a long evaluation's: a client waits, and can be told to come back."""

TIMEOUT_S: Final = 600.0
"""Longest silence of an ``openai:`` server within a reply, where the user names none."""

_BACKLOG: Final = 4096
_IDLE_S: Final = 75  # longer than nginx keeps a connection to its upstream: it is the one to close it


def run(model: Model, settings: ServeSettings, *, host: str, port: int, grace_s: int, concurrency: int | None) -> None:
    """Serve until SIGINT or SIGTERM; then give open requests ``grace_s`` seconds to end.

    Raises:
        UsageError: The model cannot be reached, or the address is not to be had.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("selfagg.server").setLevel(logging.INFO)
    allow_many_connections()
    _run(_serve(model, settings, listening(host, port), grace_s, concurrency))


def access_of(given: Access) -> Access:
    """Return the access of this server to its model.

    No call is tried later than ``patience_s`` after its first try, and ``timeout_s`` is for a whole reply: a client
    waits for it, however many pieces come meanwhile.
    """
    patience_s = PATIENCE_S if given.patience_s is None else given.patience_s
    policy = RetryPolicy(tries=4, first_s=0.5, longest_s=5.0, patience_s=patience_s, overall_s=patience_s)
    timeout_s = given.timeout_s or TIMEOUT_S
    return replace(given, timeout_s=timeout_s, whole_s=timeout_s, retries=policy)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run with uvloop if it is installed: about twice the requests a second."""
    start: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
    with contextlib.suppress(ImportError):
        from uvloop import run as start
    start(work)


def listening(host: str, port: int) -> socket.socket:
    """Open a listening socket at this address.

    Raises:
        UsageError: The address is not to be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        taken.listen(_BACKLOG)  # from here on nobody is refused, though nobody is answered yet
    except OSError as error:
        raise UsageError(f"cannot listen at {host}:{port}: {error.strerror or error}") from None
    return taken


async def _serve(
    model: Model, settings: ServeSettings, taken: socket.socket, grace_s: int, concurrency: int | None
) -> None:
    with contextlib.closing(taken):
        async with Service(model, settings, concurrency) as service:
            host, port = taken.getsockname()[:2]
            where = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            print(f"selfagg serves {model.name} at {where}/v1", file=sys.stderr, flush=True)
            await HttpServer(service, grace_s).serve(sockets=[taken])


class HttpServer(uvicorn.Server):
    """A server of a service's application over HTTP.

    Args:
        service: The open service.
        grace_s: Seconds that open requests get when the server stops.
    """

    def __init__(self, service: Service, grace_s: int) -> None:
        config = uvicorn.Config(
            create_app(service),
            lifespan="off",
            log_config=None,
            access_log=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=grace_s,
            server_header=False,
            http=BoundedProtocol,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all requests, those that outlast the grace (or a second signal) by force, before the record closes."""
        await super().shutdown(sockets)
        tasks = [*self.server_state.tasks]
        for task in tasks:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop when told to, but do not kill the process afterwards: the record is closed after it."""
        with heard_by(self.handle_exit):
            yield
