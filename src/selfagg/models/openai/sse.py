"""Server-sent events, by the standard (html.spec.whatwg.org, 9.2.6), and what servers send in their place."""

from __future__ import annotations

import json
from collections.abc import Iterator

DONE = object()
"""The event of ``data: [DONE]``: the stream is whole."""


class EventReader:
    """A parser that turns chunks of bytes into JSON values, one an event.

    Comments, ``id:`` and ``retry:`` are passed over. A server that ignores ``stream`` and sends one JSON value gives
    that value at the end. A value a line, with or without ``data:``, is read too.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []  # of the line that is not finished; in pieces, as it may be long
        self._data: list[bytes] = []
        self._plain: list[bytes] | None = None  # a body that is no stream of events
        self._begun = False
        self._return = False  # the last chunk ended with CR: an LF that follows belongs to it

    @property
    def page(self) -> str:
        """Return the beginning of a body that is no stream of events."""
        return b"".join(self._plain or self._data)[:10_000].decode("utf-8", "replace")

    def feed(self, chunk: bytes) -> Iterator[object]:
        """Take a chunk; yield the values of the events that it ends.

        Raises:
            ValueError: An event holds no JSON.
        """
        if not self._begun and not (chunk := self._begin(chunk)):
            return
        if self._plain is not None:
            self._plain.append(chunk)
            return
        if self._return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._return = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *rest = chunk.split(b"\n")
        self._line.append(first)
        for piece in rest:
            line, self._line = b"".join(self._line), [piece]
            if line:
                self._field(line)
            elif self._data:
                yield from self._dispatch()

    def rest(self) -> Iterator[object]:
        """Yield the events that the end of the body completes.

        Raises:
            ValueError: The body holds no JSON.
        """
        if self._plain is not None:
            yield from _values([b"".join(self._plain)])
            return
        if line := b"".join(self._line):
            self._field(line)
        yield from self._dispatch()

    def _begin(self, chunk: bytes) -> bytes:
        """Look at the first bytes: white space and a byte order mark before them say nothing."""
        start = b"".join([*self._line, chunk])
        if b"\xef\xbb\xbf".startswith(start):
            self._line = [start]
            return b""
        start = start.removeprefix(b"\xef\xbb\xbf")
        if not start.strip():
            return b""
        self._line, self._begun = [], True
        if start.lstrip()[:1] in b"{[<":
            self._plain = []
        return start

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif line[:1] == b"{":
            self._data.append(line)

    def _dispatch(self) -> Iterator[object]:
        data, self._data = self._data, []
        if any(piece.strip() for piece in data):
            yield from _values(data)


def _values(lines: list[bytes]) -> Iterator[object]:
    """Yield the value of an event, or where a server left out the empty lines between events, one a line."""
    whole = b"\n".join(lines) if len(lines) > 1 else lines[0]
    try:
        yield _value(whole)
    except ValueError:
        lines = whole.splitlines()
        if len(lines) < 2:
            raise
        yield from [_value(line.removeprefix(b"data:")) for line in lines if line.strip()]


def _value(data: bytes) -> object:
    if data.strip() == b"[DONE]":
        return DONE
    return json.loads(data.decode("utf-8", "replace"))
