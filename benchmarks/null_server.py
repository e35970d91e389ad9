"""A server of the chat completions protocol that thinks for a fixed time and says the same to everybody.

In a process of its own and as light as asyncio allows, so that what is measured is the client. Not for anything else:
it reads requests with a ``Content-Length`` and nothing more of HTTP.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from selfagg.models.openai.client import allow_many_connections

MODEL = "null"
STREAMED = "null-streamed"
"""The same under a name whose list does not say which program serves, so that selfagg streams."""
REPLY = "The lighthouse keeper counts the ships once more. " * 96 + "\n\\boxed{42}"
"""About 4.8 kB, so that a prompt with four of them has about 20 kB."""


class Answering(asyncio.Protocol):
    """One connection: an answer for each request, ``delay`` seconds after its last byte."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._head = b""
        self._body = 0  # bytes of the request's body still to come
        self._answer = b""
        self._streams = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.WriteTransport, transport).write

    def data_received(self, data: bytes) -> None:
        if self._body:
            self._body -= len(data)
        else:
            head, found, body = (self._head + data).partition(b"\r\n\r\n")
            if not found:
                self._head = head
                return
            self._head = b""
            self._answer = MODELS if head.startswith(b"GET") else COMPLETION
            self._body = _content_length(head) - len(body)
            self._streams = False
        self._streams = self._streams or b'"stream": true' in data[-400:]
        if self._body <= 0:
            self._body = 0
            if self._streams and self._answer is COMPLETION:
                self._answer = STREAM
            asyncio.get_running_loop().call_later(self._delay, self._write, self._answer)


def _content_length(head: bytes) -> int:
    _, found, after = head.lower().partition(b"content-length:")
    return int(after.partition(b"\r\n")[0]) if found else 0


def _answer(body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _stream() -> bytes:
    """The reply in pieces of four characters, an event each, as a model writes it."""
    head = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
    pieces = [REPLY[at : at + 4] for at in range(0, len(REPLY), 4)]
    events = [head | {"choices": [{"index": 0, "delta": {"content": one}, "finish_reason": None}]} for one in pieces]
    events.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append(head | {"choices": [], "usage": USAGE})
    content = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    head_of = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(content)}\r\n\r\n"
    return head_of.encode() + content


USAGE = {"prompt_tokens": 5000, "completion_tokens": 1200, "total_tokens": 6200}
MODELS = _answer({"object": "list", "data": [{"id": MODEL, "owned_by": "vllm"}, {"id": STREAMED, "owned_by": "null"}]})
COMPLETION = _answer(
    {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": REPLY}, "logprobs": None}
        ],
        "usage": USAGE,
    }
)
STREAM = _stream()


async def serve(delay: float) -> None:
    """Serves until standard input closes; says its port first."""
    allow_many_connections()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(delay), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextmanager
def null_server(delay: float) -> Iterator[str]:
    """A running null server; its base URL.

    Args:
        delay: Seconds from a request to its answer.
    """
    command = [sys.executable, "-m", "benchmarks.null_server", str(delay)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"


if __name__ == "__main__":
    work = serve(float(sys.argv[1]))
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)
