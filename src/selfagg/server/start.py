"""Run the server until it is told to stop, on connections with bounds that uvicorn does not set."""

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
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from selfagg._internal.blocking import heard_by
from selfagg.errors import UsageError
from selfagg.models import Access
from selfagg.models.base import Model
from selfagg.models.openai.client import allow_many_connections
from selfagg.models.pace import RetryPolicy
from selfagg.server.app import create_app
from selfagg.server.service import Service
from selfagg.server.settings import ServeSettings

PATIENCE_S: Final = 30.0  # shorter than a long evaluation's: a client waits, and can be told to come back
TIMEOUT_S: Final = 600.0  # longest silence of an ``openai:`` server within a reply, where the user names none
HEAD_BYTES: Final = 64 * 2**10  # largest request line and headers together, and largest trailer
HEAD_S: Final = 30.0
"""Longest time from the first byte of a connection or request to the end of its headers, in seconds."""

LINGER_S: Final = 5.0
"""Seconds for a refused upload to read its refusal: a connection closed at once would be reset under it."""

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

_BACKLOG: Final = 4096
_IDLE_S: Final = 75  # longer than nginx keeps a connection to its upstream: it is the one to close it


def run(model: Model, settings: ServeSettings, *, host: str, port: int, grace_s: int, concurrency: int | None) -> None:
    """Serve until SIGINT or SIGTERM; then give open requests ``grace_s`` seconds to end.

    Raises:
        UsageError: The model cannot be reached, or the address is not to be had.
    """
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("selfagg.server").setLevel(logging.INFO)
    allow_many_connections()
    start: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
    with contextlib.suppress(ImportError):  # about twice the requests a second
        from uvloop import run as start
    start(_serve(model, settings, listening(host, port), grace_s, concurrency))


def access_of(given: Access) -> Access:
    """Return the access of this server to its model.

    No call is tried later than ``patience_s`` after its first try, and ``timeout_s`` is for a whole reply: a client
    waits for it, however many pieces come meanwhile.
    """
    patience_s = PATIENCE_S if given.patience_s is None else given.patience_s
    policy = RetryPolicy(tries=4, first_s=0.5, longest_s=5.0, patience_s=patience_s, overall_s=patience_s)
    timeout_s = given.timeout_s or TIMEOUT_S
    return replace(given, timeout_s=timeout_s, whole_s=timeout_s, retries=policy)


def listening(host: str, port: int) -> socket.socket:
    """Open a listening socket at this address; raise UsageError if it is not to be had."""
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
    """A server of an open service's application; open requests get ``grace_s`` seconds when it stops."""

    def __init__(self, service: Service, grace_s: int) -> None:
        off: Any = {"lifespan": "off", "ws": "none", "log_config": None, "access_log": False, "server_header": False}
        waits: Any = {"timeout_keep_alive": _IDLE_S, "timeout_graceful_shutdown": grace_s, "backlog": _BACKLOG}
        super().__init__(uvicorn.Config(create_app(service), http=BoundedProtocol, **off, **waits))

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


class BoundedProtocol(HttpToolsProtocol):
    """A protocol that closes connections whose headers are too large or slow, or whose upload nobody reads."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._unclaimed = 0  # bytes since the parser last got a whole head or a piece of a body
        self._whole = True  # whether the request that the parser reads has come to its end
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._close_after(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._keep_open()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unclaimed += len(data)
        super().data_received(data)
        if self._unclaimed > HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        self._whole = False
        self._close_after(HEAD_S)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._unclaimed = 0
        self._keep_open()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unclaimed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unclaimed, self._whole = 0, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._whole:
            self._close_after(LINGER_S)

    def _close_after(self, seconds: float) -> None:
        self._keep_open()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _keep_open(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
