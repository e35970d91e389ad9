"""One server and one exchange with it: what goes wrong becomes `Refusal` or `TransientError`."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import aiohttp
from yarl import URL

from selfagg.errors import UsageError
from selfagg.models.base import Forwarded
from selfagg.models.openai import network
from selfagg.models.openai.address import Address
from selfagg.models.openai.bodies import error_status, refusal, refusal_of, tidy, without_keys
from selfagg.models.openai.credentials import Credentials
from selfagg.models.openai.refusal import Refusal
from selfagg.models.openai.sse import DONE, EventReader
from selfagg.models.pace import Pace
from selfagg.models.retries import RetryPolicy, TransientError

ASK_S: Final = 30.0
"""Longest wait for what takes a server no generation to answer."""
LARGEST_REPLY: Final = 64 * 2**20
"""Bytes of an answer's body; a reply of 100,000 tokens with log-probabilities takes about 20 MB."""
AFTERWARDS_S: Final = 2.0
"""Longest wait for the end of a stream whose reply is whole: most servers send it at once, some never."""
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)


class TooLarge(Exception):
    """An answer is larger than any reply can be."""


class Server:
    """One base URL.

    Attributes:
        address: The address; changes where it redirects or where ``/v1`` was missing.
        given: The address that the user gave.
        pace: The pace of calls to the server.
        credentials: Key and headers.
    """

    def __init__(
        self,
        address: Address,
        credentials: Credentials,
        *,
        timeout_s: float,
        whole_s: float = math.inf,
        policy: RetryPolicy | None = None,
        keep_connections: bool = True,
    ) -> None:
        """Name the server; nothing is reached yet.

        Args:
            address: The address of the server.
            credentials: Key and headers.
            timeout_s: Longest silence: of a whole answer, or between two events of a stream.
            whole_s: Longest time of a whole reply, however it comes.
            policy: The rules for further tries; the pauses follow them.
            keep_connections: True if a connection serves several requests.
        """
        self.address = self.given = address
        self.pace = Pace(policy or RetryPolicy())
        self.credentials = credentials
        self._timeout_s, self._whole_s = timeout_s, whole_s
        self._more = {} if keep_connections else {"Connection": "close"}
        self._proxy = network.proxy_for(address.url)
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}

    @property
    def url(self) -> str:
        """Return the base URL, fit to be shown."""
        return self.address.url

    def open(self) -> None:
        """Make it ready for use in the running event loop."""
        self._sessions[asyncio.get_running_loop()] = network.open_session(self._proxy)

    async def close(self) -> None:
        """Close its connections of the running event loop."""
        if session := self._sessions.pop(asyncio.get_running_loop(), None):
            await session.close()

    async def get(self, path: str, *, timeout_s: float = ASK_S) -> object:
        """Return the answer to ``GET path``; see `post`."""
        return await self._exchange("GET", path, None, timeout_s)

    async def post(self, path: str, body: Mapping[str, Any], *, timeout_s: float | None = None) -> object:
        """Return the answer to ``POST path``, as JSON.

        Args:
            path: Below the base URL, or absolute.
            body: JSON values.
            timeout_s: Longest wait for the whole answer; None: the server's own limit.

        Raises:
            Refusal: The server answered with an error.
            TransientError: No answer, or none that can be read.
            UsageError: It redirects to another host.
        """
        return await self._exchange("POST", path, _encode(body), timeout_s or self._timeout_s)

    async def _exchange(self, method: str, path: str, content: bytes | None, timeout_s: float) -> object:
        with self._failures(timeout_s):
            async with asyncio.timeout(timeout_s), await self._request(method, path, content) as response:
                body = await _whole(response)
            if response.status >= 300:
                raise self._refused(response, body)
            try:
                answer: object = json.loads(body)
            except ValueError:
                raise self._unreadable(body[:10_000].decode("utf-8", "replace")) from None
        self._raise_error(answer)
        return answer

    async def events(
        self, path: str, body: Mapping[str, Any], ended: Callable[[], bool] = lambda: False
    ) -> AsyncGenerator[object, None]:
        """Yield the stream of ``POST path``, one JSON value an event, and `DONE`; raise as `post` does.

        A server that does not stream gives one value. The time limit is one between events: a stream that moves is
        not hanging, one that sends nothing but comments is.

        Args:
            path: Below the base URL.
            body: JSON values.
            ended: Tells whether the reply is whole, after which little is waited for what may follow.
        """
        with self._failures(self._timeout_s):
            limit = _Limit(self._timeout_s, self._whole_s)
            async with limit.running():
                response = await self._request("POST", path, _encode(body))
            async with response:
                if response.status >= 300:
                    async with limit.running():
                        raise self._refused(response, await _whole(response))
                reader = EventReader()
                try:
                    async for chunk in _chunks(response, limit):
                        for event in self._read(reader, chunk):
                            yield event
                            limit.begin(min(self._timeout_s, AFTERWARDS_S) if event is DONE or ended() else None)
                except TimeoutError:
                    if not ended():
                        raise
                for event in self._read(reader, None):
                    yield event

    def _read(self, reader: EventReader, chunk: bytes | None) -> Iterator[object]:
        try:
            for event in reader.rest() if chunk is None else reader.feed(chunk):
                if event is not DONE:
                    self._raise_error(event)
                yield event
        except ValueError:
            raise self._unreadable(reader.page) from None

    @asynccontextmanager
    async def forward(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        key: str | None,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Forwarded]:
        """Send a request once, and open its answer as it comes, errors included.

        Args:
            path: Below the base URL; below the server's root where it begins with a slash.
            body: JSON values; None: no body.
            key: Sent instead of the server's own key, or None.
            method: HTTP's.
            headers: Further headers.

        Raises:
            TransientError: No answer, or one that breaks off.
        """
        limit = _Limit(self._timeout_s, self._whole_s)
        with self._failures(self._timeout_s):
            async with limit.running():
                content = None if body is None else _encode(body)
                path = f"{self.address.root}{path}" if path.startswith("/") else path
                response = await self._request(method, path, content, key, headers)
        async with response:
            unpacked = ("content-encoding", "content-length") if "Content-Encoding" in response.headers else ()
            told = {name.lower(): value for name, value in response.headers.items() if name.lower() not in unpacked}
            yield Forwarded(response.status, told, self._pieces(response, limit, key))

    async def _pieces(self, response: aiohttp.ClientResponse, limit: _Limit, key: str | None) -> AsyncIterator[bytes]:
        with self._failures(self._timeout_s):
            if response.status >= 400:  # an error may repeat a key
                async with limit.running():
                    told = (await _whole(response)).decode("utf-8", "replace")
                yield without_keys(told, [*self._secrets, *([key] if key else [])]).encode()
                return
            limit.begin()
            async for chunk in _chunks(response, limit):
                limit.begin()
                yield chunk

    async def _request(
        self,
        method: str,
        path: str,
        content: bytes | None,
        key: str | None = None,
        more: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request, and send it again where the server redirects it."""
        session = self._sessions.get(asyncio.get_running_loop())
        if session is None:
            raise RuntimeError("the connection is used outside of its `async with`")
        headers = self.credentials.headers(self.address, key) | self._more | dict(more or {})
        if content is not None:
            headers["Content-Type"] = "application/json"
        url = self.address.at(path)
        for _ in range(_MOST_REDIRECTS):
            response = await session.request(
                method,
                _parsed(url),
                data=content,
                headers=headers,
                allow_redirects=False,
                proxy=None if network.is_socks(self._proxy) else self._proxy,
                ssl=network.tls() if url.startswith("https:") else True,
            )
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                return response
            response.close()
            url, self.address = self.address.moved(url, location)
        raise UsageError(f"{self.url} redirects without end")

    def _raise_error(self, answer: object) -> None:
        if status := error_status(answer):
            raise refusal_of(status, answer, self._secrets)

    @property
    def _secrets(self) -> list[str]:
        return self.credentials.secrets(self.address)

    def _refused(self, response: aiohttp.ClientResponse, body: bytes) -> Refusal:
        return refusal(response.status, body.decode("utf-8", "replace"), response.headers, self._secrets)

    def _unreadable(self, text: str) -> Refusal | TransientError:
        """Return the error for an answer of 200 without JSON: a web page is most often a wrong address."""
        found = refusal_of(404, text, self._secrets)
        if not found.page:
            return TransientError(f"{self.url} sent an answer that is not JSON")
        found.message = found.words = f"a web page instead of JSON ({found.message[:80]})"
        return found

    @contextmanager
    def _failures(self, timeout_s: float) -> Iterator[None]:
        """Turn whatever goes wrong in an exchange into Refusal or Passing; from None: the causes may hold the key."""
        try:
            yield
        except aiohttp.ConnectionTimeoutError as error:
            raise self._lost(error) from None
        except TimeoutError:
            raise TransientError(f"{self.url} gave no answer within {timeout_s:g} s", status=504) from None
        except TooLarge:
            words = f"an answer of more than {LARGEST_REPLY // 2**20} MiB"
            raise TransientError(f"{self.url} sent {words}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._lost(error) from None
        except (ValueError, RecursionError):
            raise TransientError(f"{self.url} sent an answer that is not JSON") from None

    def _lost(self, error: Exception) -> TransientError:
        connecting = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        proxy = (
            self._proxy if isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError) else ""
        )
        if not connecting and not proxy and "Proxy" not in type(error).__name__:
            return TransientError(f"the connection to {self.url} was lost ({tidy(_lost_why(error), self._secrets)})")
        where = self.url
        if proxy or network.is_socks(self._proxy):
            where = f"{where} by the proxy {network.shown(self._proxy or '')} (of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY)"
        why = tidy(_why(error), self._secrets)
        return TransientError(f"cannot connect to {where} ({why})", unreachable=True, status=503)


class _Limit:
    """A limit on silence, which begins anew with each sign of life, and one on the whole."""

    def __init__(self, seconds: float, whole_s: float = math.inf) -> None:
        self._seconds = seconds
        self._last = asyncio.get_running_loop().time() + whole_s
        self.begin()

    def begin(self, seconds: float | None = None) -> None:
        silence = asyncio.get_running_loop().time() + (self._seconds if seconds is None else seconds)
        self._end = min(silence, self._last)

    def running(self) -> asyncio.Timeout:
        """Limit one wait; no limit is open while a consumer works on what it got."""
        return asyncio.timeout_at(self._end)


async def _chunks(response: aiohttp.ClientResponse, limit: _Limit) -> AsyncIterator[bytes]:
    """Yield the body as it arrives, unpacked, up to `LARGEST_REPLY`."""
    left = LARGEST_REPLY
    while True:
        async with limit.running():
            chunk = await response.content.readany()
        if not chunk:
            return
        left -= len(chunk)
        if left < 0:
            raise TooLarge
        yield chunk


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """Return the body; a megabyte of gzip may hold a gigabyte, so what comes packed is measured unpacked."""
    length = response.content_length
    if length is not None and length <= LARGEST_REPLY and "Content-Encoding" not in response.headers:
        return await response.read()
    chunks, left = [], LARGEST_REPLY
    while chunk := await response.content.readany():
        left -= len(chunk)
        if left < 0:
            raise TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


@functools.lru_cache(64)
def _parsed(url: str) -> URL:
    """Return a URL; one that is written out already is left as it is, since a gateway may sign or compare it."""
    return URL(url, encoded=url.isascii() and " " not in url)


def _lost_why(error: Exception) -> str:
    if "\\x15\\x03" in str(error):
        return "it speaks TLS: write https:// in the base URL"
    return str(error) or type(error).__name__


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        reason = getattr(cause, "verify_message", "") or str(cause)
        return (
            f"its certificate is not trusted: {reason}; name the file of its authority's certificate "
            "in SSL_CERT_FILE (REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE are read too)"
        )
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ssl.SSLError):
        plain = (cause.reason or "") in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
        return f"TLS: {cause.reason}" + ("; it may speak no TLS: write http:// in the base URL" if plain else "")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status} {error.message}"
    if not isinstance(cause, OSError):
        return str(cause) if "Proxy" in type(error).__name__ else "no answer"
    # the system's own words where it gave a number; name resolution has numbers of its own, below zero
    return os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror or "no connection"


def _encode(body: Mapping[str, Any]) -> bytes:
    # lone surrogates, which some data files hold, are no UTF-8: they go out as question marks
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
