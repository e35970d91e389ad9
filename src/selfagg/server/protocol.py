"""HTTP/1.1 connections with bounds that uvicorn does not set: on headers, and on silence."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES: Final = 64 * 2**10
"""Largest request line and headers together, and largest trailer."""

HEAD_S: Final = 30.0
"""Longest time from the first byte of a connection or request to the end of its headers, in seconds."""

LINGER_S: Final = 5.0
"""Seconds for a refused upload to read its refusal: a connection closed at once would be reset under it."""

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


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
