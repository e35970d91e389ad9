"""Messages between a guest and selfagg: a length of four bytes, then JSON."""

from __future__ import annotations

import json
import os
import struct
from typing import Any

HEADER = struct.Struct(">I")


def pack(message: dict[str, Any]) -> bytes:
    """Return one message as it goes over the wire."""
    body = json.dumps(message).encode()
    return HEADER.pack(len(body)) + body


class Channel:
    """A guest's end of the channel, by plain descriptors: a forked process has no buffers to flush into it."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    def take_over_stdio(cls) -> Channel:
        """Turn the process's standard input and output into the channel, and leave the null device there."""
        channel = cls(os.dup(0), os.dup(1))
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        return channel

    def receive(self) -> dict[str, Any] | None:
        """Return the next message, or None when selfagg has hung up."""
        header = self._read(HEADER.size)
        if header is None:
            return None
        body = self._read(HEADER.unpack(header)[0])
        if body is None:
            return None
        message: dict[str, Any] = json.loads(body)
        return message

    def send(self, message: dict[str, Any]) -> None:
        """Send one message."""
        left = memoryview(pack(message))
        while left:
            left = left[os.write(self._writer, left) :]

    def _read(self, length: int) -> bytes | None:
        parts = []
        while length:
            part = os.read(self._reader, min(length, 1 << 20))
            if not part:
                return None
            parts.append(part)
            length -= len(part)
        return b"".join(parts)
