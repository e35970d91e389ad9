"""Messages between a guest and selfagg: a length of four bytes, then JSON.

Python values cross as JSON with their types kept: only plain data, never pickle or code. Texts, numbers, lists, True,
False and None are themselves; everything else is an object of one key that names the type: ``{"tuple": [...]}``,
``{"dict": [[key, value], ...]}``. What is no plain data becomes ``{"opaque": repr}``, which is equal to nothing.
"""

from __future__ import annotations

import binascii
import contextlib
import json
import os
import struct
from typing import Any

HEADER = struct.Struct(">I")
_KINDS = {kind.__name__: kind for kind in (tuple, set, frozenset)}


def pack(message: dict[str, Any]) -> bytes:
    """Return one message as it goes over the wire."""
    body = json.dumps(message).encode()
    return HEADER.pack(len(body)) + body


class Channel:
    """A guest's end of the channel, by plain descriptors: a forked process has no buffers to flush into it."""

    def __init__(self) -> None:
        """Turn the process's standard input and output into the channel, and leave the null device there."""
        self._reader, self._writer = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)

    def receive(self) -> dict[str, Any] | None:
        """Return the next message, or None when selfagg has hung up."""
        header = self._read(HEADER.size)
        body = None if header is None else self._read(HEADER.unpack(header)[0])
        return None if body is None else json.loads(body)

    def send(self, message: dict[str, Any]) -> None:
        write_all(self._writer, pack(message))

    def _read(self, length: int) -> bytes | None:
        parts = []
        while length:
            part = os.read(self._reader, min(length, 1 << 20))
            if not part:
                return None
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of it: a pipe, or a file at a limit on its size, takes a part and says so only the next time."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


class Opaque:
    """A placeholder for a value that cannot cross."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def __repr__(self) -> str:
        return self._shown


def encode(value: Any) -> Any:
    """Return the JSON value for a Python value. Subclasses lose what they add: a Counter becomes a dict."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        whole = int(value)
        return whole if -(2**63) <= whole < 2**63 else {"int": hex(whole)}
    if isinstance(value, float):
        return float(value)
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
    for name, kind in _KINDS.items():
        if isinstance(value, kind):
            return {name: [encode(item) for item in value]}
    if isinstance(value, bytes | bytearray):
        return {"bytes": binascii.b2a_base64(bytes(value), newline=False).decode()}
    import numbers  # of another type, as numpy's or a Decimal

    if isinstance(value, numbers.Integral):
        return encode(int(value))
    if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
        number = complex(value)
        return {"complex": [number.real, number.imag]}
    if isinstance(value, numbers.Number):
        return float(value)  # type: ignore[arg-type]
    shown = f"<{type(value).__name__}>"
    with contextlib.suppress(Exception):
        shown = str(repr(value))[:200]
    return {"opaque": shown}


def decode(value: Any) -> Any:
    """Return the Python value for a JSON value that `encode` made; others raise ValueError or TypeError."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((name, content),) = value.items()
    match name:
        case "dict":
            return {decode(key): decode(item) for key, item in content}
        case "int":
            return int(content, 16)
        case "complex":
            return complex(*content)
        case "bytes":
            return binascii.a2b_base64(content)
        case "opaque":
            return Opaque(content)
    if name not in _KINDS:
        raise ValueError(f"no such type: {name}")
    return _KINDS[name](decode(item) for item in content)
