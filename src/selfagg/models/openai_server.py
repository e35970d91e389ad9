"""One base URL of an OpenAI-compatible server: its address, its connection, one exchange of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import httpx2
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncOpenAI,
    AsyncStream,
    DefaultAioHttpClient,
    RequestOptions,
)

from selfagg.errors import UsageError
from selfagg.models.base import Forwarded
from selfagg.models.openai_errors import error_status, refusal, refusal_of, tidy
from selfagg.models.pace import Pace
from selfagg.models.retries import Passing, RetryPolicy

if sys.platform != "win32":
    import resource

OFFICIAL_URL: Final = "https://api.openai.com/v1"
NO_KEY: Final = "none"
"""Sent where nobody named a key: local servers want the header's form, not its content."""
CONNECT_S: Final = 30.0
ASK_S: Final = 30.0
"""Longest wait for what takes a server no generation to answer."""
LARGEST_REPLY: Final = 64 * 2**20
"""Bytes of an answer's body; a reply of 100,000 tokens with log-probabilities takes about 20 MB."""
_OPEN_FILES: Final = 65_536
_KEEP_ALIVE_S: Final = 4.0  # uvicorn, so vLLM, closes idle connections after 5 s: be the first
_JSON: Final[RequestOptions] = {"headers": {"Content-Type": "application/json"}}


class TooLarge(httpx2.TransportError):
    """An answer is larger than any reply can be."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = LARGEST_REPLY
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise TooLarge(f"an answer of more than {LARGEST_REPLY // 2**20} MiB")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Unpacked(httpx2.AsyncByteStream):
    def __init__(self, packed: httpx2.Response) -> None:
        self._packed = packed

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._packed.aiter_bytes()

    async def aclose(self) -> None:
        await self._packed.aclose()


async def _bound(response: httpx2.Response) -> None:
    """Bounds an answer's body as it comes, and where a server packs it all the same, as it is unpacked."""
    if not isinstance(response.stream, httpx2.AsyncByteStream):
        return
    response.stream = _Bounded(response.stream)
    if "content-encoding" in response.headers:  # a megabyte of gzip may hold a gigabyte
        packed = httpx2.Response(response.status_code, headers=response.headers.copy(), stream=response.stream)
        response.stream = _Bounded(_Unpacked(packed))
        for header in ("content-encoding", "content-length"):
            response.headers.pop(header, None)


def open_client() -> httpx2.AsyncClient:
    """A client on aiohttp without a limit of its own on connections: how many calls run is the engine's to say."""
    allow_many_connections()
    return DefaultAioHttpClient(
        timeout=httpx2.Timeout(None, connect=CONNECT_S),
        limits=httpx2.Limits(max_connections=0, max_keepalive_connections=None, keepalive_expiry=_KEEP_ALIVE_S),
        headers={"Accept-Encoding": "identity"},  # replies are short: unpacking costs more than it spares
        event_hooks={"response": [_bound]},
    )


def allow_many_connections() -> None:
    """Raises this process's soft limit on open files, often 1024, towards the hard one: each call in flight is one."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # the system may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Server:
    """One base URL.

    Attributes:
        url: The base URL, without user name, password and query: fit to be shown.
        root: The same without ``/v1``, where servers keep what is not OpenAI's.
        pace: How fast it is asked.
    """

    def __init__(
        self, url: str, key: str, http: httpx2.AsyncClient, *, timeout_s: float, policy: RetryPolicy | None = None
    ) -> None:
        self.url = base_url(url)
        self.root = self.url.removesuffix("/v1")
        self.pace = Pace(policy or RetryPolicy())
        self._key = key
        self._timeout_s = timeout_s
        self._http = http
        self._client = AsyncOpenAI(
            base_url=self.url, api_key=key, http_client=http, max_retries=0, timeout=http.timeout
        )

    @property
    def has_key(self) -> bool:
        """Whether a key was named."""
        return self._key != NO_KEY

    async def get(self, path: str) -> object:
        """What ``GET path`` answers, within `ASK_S`; raises as `post` does."""
        return await self._exchange(path, None, ASK_S)

    async def post(self, path: str, body: Mapping[str, Any], *, timeout_s: float | None = None) -> object:
        """What ``POST path`` answers, as JSON.

        Args:
            path: Below the base URL, or absolute.
            body: JSON values.
            timeout_s: Longest wait for the whole answer; None: the server's own limit.

        Raises:
            Refusal: The server answered with an error.
            Passing: No answer, or none that can be read.
        """
        return await self._exchange(path, _encode(body), timeout_s or self._timeout_s)

    async def _exchange(self, path: str, content: bytes | None, timeout_s: float) -> object:
        with self._failures(timeout_s):
            async with asyncio.timeout(timeout_s):
                if content is None:
                    response = await self._client.get(path, cast_to=httpx2.Response)
                else:
                    response = await self._client.post(path, cast_to=httpx2.Response, content=content, options=_JSON)
            answer: object = json.loads(response.content)
        if status := error_status(answer):
            raise refusal_of(status, answer, self._key)
        return answer

    async def events(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[object, None]:
        """What ``POST path`` streams, one JSON value an event; raises as `post` does.

        The time limit is one between events here: a stream that moves is not hanging.
        """
        with self._failures(self._timeout_s):
            async with asyncio.timeout(self._timeout_s):
                stream = await self._client.post(
                    path,
                    cast_to=object,
                    content=_encode(body),
                    options=_JSON,
                    stream=True,
                    stream_cls=AsyncStream[object],
                )
            async with stream:
                events = aiter(stream)
                while True:
                    async with asyncio.timeout(self._timeout_s):
                        event = await anext(events, None)
                    if event is None:
                        return
                    yield event

    @asynccontextmanager
    async def forward(self, path: str, body: Mapping[str, Any], key: str | None) -> AsyncIterator[Forwarded]:
        """``POST path``, with whatever is answered as it comes, errors included; tried once.

        Args:
            path: Below the base URL.
            body: JSON values.
            key: Sent instead of the server's own key, or None.

        Raises:
            Passing: No answer, or one that breaks off.
        """
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key or self._key}"}
        request = self._http.build_request("POST", f"{self.url}/{path}", headers=headers, content=_encode(body))
        with self._failures(self._timeout_s):
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.send(request, stream=True)
        try:
            yield Forwarded(response.status_code, response.headers, self._chunks(response))
        finally:
            await response.aclose()

    async def _chunks(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        with self._failures(self._timeout_s):
            chunks = response.aiter_raw()
            while True:
                async with asyncio.timeout(self._timeout_s):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield chunk

    @contextmanager
    def _failures(self, timeout_s: float) -> Iterator[None]:
        """Turns whatever goes wrong in an exchange into Refusal or Passing; from None: the causes may hold the key."""
        try:
            yield
        except TimeoutError:
            raise Passing(f"{self.url} gave no answer within {timeout_s:g} s", status=504) from None
        except APIStatusError as error:
            answer = error.response
            raise refusal(error.status_code, answer.text, answer.headers, self._key) from None
        except (APIConnectionError, httpx2.RequestError, aiohttp.ClientError) as error:
            # the client wraps neither a loss within an error's own body nor what is no HTTP
            raise self._lost(error) from None
        except APIError as error:  # an error event in a stream
            raise refusal_of(502, error.body, self._key) from None
        except (ValueError, RecursionError):
            raise Passing(f"{self.url} sent an answer that is not JSON") from None

    def _lost(self, error: Exception) -> Passing:
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
                return Passing(
                    f"cannot connect to {self.url} ({tidy(_why(cause), self._key)})", unreachable=True, status=503
                )
            if isinstance(cause, TooLarge):
                return Passing(f"{self.url} sent {cause}")
        return Passing(f"the connection to {self.url} was lost ({tidy(str(causes[-1]), self._key)})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _why(error: BaseException) -> str:
    if not isinstance(error, OSError):
        return "no answer"
    # the system's own words where it gave a number; name resolution has numbers of its own, below zero
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or "no connection"


def _encode(body: Mapping[str, Any]) -> bytes:
    # lone surrogates, which some data files hold, are no UTF-8: they go out as question marks
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def base_url(url: str) -> str:
    """The base URL in the form used and shown: without user name, password, query and closing slash.

    ``/v1`` is added where there is no path, as every server of this API has it there.

    Raises:
        UsageError: It is no HTTP address.
    """
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        shown = re.sub(r"//[^/@]*@", "//", url)  # a password may stand there
        raise UsageError(f"the base URL {shown!r} is no address such as http://localhost:8000/v1")
    host = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, host + port, parts.path.rstrip("/") or "/v1", "", ""))


def read_key(key: str | None, key_file: Path | None) -> str:
    """The key given, or in the file, or in OPENAI_API_KEY, or `NO_KEY`.

    Raises:
        UsageError: The file cannot be read, or what it holds cannot be a key.
    """
    if key is None and key_file is not None:
        try:
            key = key_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not text"
            raise UsageError(f"cannot read the API key file {key_file}: {why}") from None
        if not key.strip():
            raise UsageError(f"the API key file {key_file} is empty")
    key = (key or os.environ.get("OPENAI_API_KEY") or NO_KEY).strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(
            "the API key holds characters that no key has (a line break, a space or a letter beyond ASCII)"
        )
    return key
