"""One server and one exchange with it: what goes wrong becomes `Refusal` or `TransientError`."""

from __future__ import annotations

import asyncio
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
from selfagg.models.openai.address import Address, Credentials
from selfagg.models.openai.refusal import Refusal, error_status, refusal, tidy, without_keys
from selfagg.models.openai.wire import DONE, EventReader
from selfagg.models.pace import Pace, RetryPolicy, TransientError

ASK_S: Final = 30.0
"""Longest wait for what takes a server no generation to answer."""
LARGEST_REPLY: Final = 64 * 2**20
"""Bytes of an answer's body; a reply of 100,000 tokens with log-probabilities takes about 20 MB."""
AFTERWARDS_S: Final = 2.0
"""Longest wait for the end of a stream whose reply is whole: most servers send it at once, some never."""


class TooLarge(Exception):
    """An answer is larger than any reply can be."""


class Server:
    """One base URL."""

    def __init__(
        self,
        address: Address,
        credentials: Credentials,
        *,
        timeout_s: float,
        whole_s: float = math.inf,
        policy: RetryPolicy | None = None,
    ) -> None:
        """Name the server; nothing is reached yet.

        Args:
            address: Changes where the server redirects, or where ``/v1`` was missing.
            credentials: Key and headers.
            timeout_s: Longest silence: of a whole answer, or between two events of a stream.
            whole_s: Longest time of a whole reply, however it comes.
            policy: The rules for further tries; the pauses follow them.
        """
        self.address = self.given = address
        self.pace = Pace(policy or RetryPolicy())
        self.credentials = credentials
        self._timeout_s, self._whole_s = timeout_s, whole_s
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

    async def ask(self, path: str, body: Mapping[str, Any] | None = None, *, timeout_s: float | None = None) -> object:
        """Return the answer to ``POST path``, as JSON; without a body to ``GET path``.

        The path is below the base URL, or absolute; without a time limit the server's own holds, and `ASK_S` for GET.

        Raises:
            Refusal: The server answered with an error.
            TransientError: No answer, or none that can be read.
            UsageError: It redirects to another host.
        """
        limit = _Limit(timeout_s or (ASK_S if body is None else self._timeout_s), self._whole_s)
        with self._failures(limit):
            async with await self._request("GET" if body is None else "POST", path, body, limit) as response:
                content = await _whole(response, limit)
            if response.status >= 300:
                raise self._refused(response, content)
            try:
                answer: object = json.loads(content)
            except ValueError:
                raise self._unreadable(content[:10_000].decode("utf-8", "replace")) from None
        self._raise_error(answer)
        return answer

    async def events(
        self, path: str, body: Mapping[str, Any], ended: Callable[[], bool] = lambda: False
    ) -> AsyncGenerator[object, None]:
        """Yield the stream of ``POST path``, one JSON value an event, and `DONE`; raise as `ask` does.

        A server that does not stream gives one value. The time limit is one between events: a stream that moves is
        not hanging, one that sends nothing but comments is. Once the reply has ``ended``, little is waited for what
        may follow.
        """
        limit = _Limit(self._timeout_s, self._whole_s)
        with self._failures(limit):
            async with await self._request("POST", path, body, limit) as response:
                if response.status >= 300:
                    raise self._refused(response, await _whole(response, limit))
                reader = EventReader()
                try:
                    async for chunk in _chunks(response, limit):
                        for event in self._read(reader, reader.feed(chunk)):
                            yield event
                            limit.begin(min(self._timeout_s, AFTERWARDS_S) if event is DONE or ended() else None)
                except TimeoutError:
                    if not ended():
                        raise
                for event in self._read(reader, reader.rest()):
                    yield event

    def _read(self, reader: EventReader, events: Iterator[object]) -> Iterator[object]:
        try:
            for event in events:
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
        """Send a request once, and open its answer as it comes, errors included; see `Forwards.forward`."""
        limit = _Limit(self._timeout_s, self._whole_s)
        path = f"{self.address.root}{path}" if path.startswith("/") else path
        with self._failures(limit):
            response = await self._request(method, path, body, limit, key, headers)
        async with response:
            unpacked = ("content-encoding", "content-length") if "Content-Encoding" in response.headers else ()
            told = {name.lower(): value for name, value in response.headers.items() if name.lower() not in unpacked}
            yield Forwarded(response.status, told, self._pieces(response, limit, key))

    async def _pieces(self, response: aiohttp.ClientResponse, limit: _Limit, key: str | None) -> AsyncIterator[bytes]:
        with self._failures(limit):
            if response.status >= 400:  # an error may repeat a key
                told = (await _whole(response, limit)).decode("utf-8", "replace")
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
        body: Mapping[str, Any] | None,
        limit: _Limit,
        key: str | None = None,
        more: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request, and send it again where the server redirects it."""
        session = self._sessions.get(asyncio.get_running_loop())
        if session is None:
            raise RuntimeError("the connection is used outside of its `async with`")
        headers = self.credentials.headers(self.address, key) | dict(more or {})
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            # lone surrogates, which some data files hold, are no UTF-8: they go out as question marks
            content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        url = self.address.at(path)
        for _ in range(5):
            written = url.isascii() and " " not in url  # then left as it is, since a gateway may sign or compare it
            async with limit.running():
                response = await session.request(
                    method,
                    URL(url, encoded=written),
                    data=content,
                    headers=headers,
                    allow_redirects=False,
                    proxy=None if self._by_socks else self._proxy,
                    ssl=network.tls() if url.startswith("https:") else True,
                )
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            response.close()
            url, self.address = self.address.moved(url, location)
        raise UsageError(f"{self.url} redirects without end")

    def _raise_error(self, answer: object) -> None:
        if status := error_status(answer):
            raise refusal(status, answer, secrets=self._secrets)

    @property
    def _secrets(self) -> list[str]:
        return self.credentials.secrets(self.address)

    @property
    def _by_socks(self) -> bool:
        return (self._proxy or "").startswith("socks")

    def _refused(self, response: aiohttp.ClientResponse, body: bytes) -> Refusal:
        return refusal(response.status, body.decode("utf-8", "replace"), response.headers, self._secrets)

    def _unreadable(self, text: str) -> Refusal | TransientError:
        """Return the error for an answer of 200 without JSON: a web page is most often a wrong address."""
        found = refusal(404, text, secrets=self._secrets)
        if not found.page:
            return TransientError(f"{self.url} sent an answer that is not JSON")
        found.message = found.words = f"a web page instead of JSON ({found.message[:80]})"
        return found

    @contextmanager
    def _failures(self, limit: _Limit) -> Iterator[None]:
        """Turn whatever goes wrong in an exchange into TransientError; from None: the causes may hold the key."""
        try:
            yield
        except aiohttp.ConnectionTimeoutError as error:
            raise self._lost(error) from None
        except TimeoutError:
            raise TransientError(f"{self.url} gave no answer within {limit.seconds:g} s", status=504) from None
        except TooLarge:
            raise TransientError(f"{self.url} sent an answer of more than {LARGEST_REPLY // 2**20} MiB") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._lost(error) from None
        except (ValueError, RecursionError):
            raise TransientError(f"{self.url} sent an answer that is not JSON") from None

    def _lost(self, error: Exception) -> TransientError:
        connecting = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        proxy = "Proxy" in type(error).__name__
        if not connecting and not proxy:
            tls = "it speaks TLS: write https:// in the base URL" if "\\x15\\x03" in str(error) else ""
            why = tls or tidy(str(error) or type(error).__name__, self._secrets)
            return TransientError(f"the connection to {self.url} was lost ({why})")
        where = self.url
        if self._proxy and (proxy or self._by_socks):
            where = f"{where} by the proxy {network.shown(self._proxy)} (of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY)"
        why = tidy(_why_unconnected(error), self._secrets)
        return TransientError(f"cannot connect to {where} ({why})", unreachable=True, status=503)


class _Limit:
    """A limit on silence, which begins anew with each sign of life, and one on the whole."""

    def __init__(self, seconds: float, whole_s: float = math.inf) -> None:
        self.seconds = min(seconds, whole_s)
        self._last = asyncio.get_running_loop().time() + whole_s
        self.begin()

    def begin(self, seconds: float | None = None) -> None:
        silence = asyncio.get_running_loop().time() + (self.seconds if seconds is None else seconds)
        self._end = min(silence, self._last)

    def running(self) -> asyncio.Timeout:
        """Limit one wait; no limit is open while a consumer works on what it got."""
        return asyncio.timeout_at(self._end)


async def _chunks(response: aiohttp.ClientResponse, limit: _Limit) -> AsyncIterator[bytes]:
    """Yield the body as it arrives, unpacked, up to `LARGEST_REPLY`: a megabyte of gzip may hold a gigabyte."""
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


async def _whole(response: aiohttp.ClientResponse, limit: _Limit) -> bytes:
    return b"".join([chunk async for chunk in _chunks(response, limit)])


def _why_unconnected(error: Exception) -> str:
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
