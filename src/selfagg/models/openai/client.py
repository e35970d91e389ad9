"""One server and one exchange with it: connections, proxy, certificates; failures are `Refusal` or `TransientError`."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import json
import math
import os
import socket
import ssl
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi
from yarl import URL

from selfagg.errors import UsageError
from selfagg.models.base import Forwarded
from selfagg.models.openai.address import Address, Credentials
from selfagg.models.openai.refusal import error_status, refusal, tidy, without_keys
from selfagg.models.openai.wire import DONE, EventReader
from selfagg.models.pace import Pace, RetryPolicy, TransientError

if sys.platform != "win32":
    import resource

ASK_S: Final = 30.0
"""Longest wait for what takes a server no generation to answer."""
LARGEST_REPLY: Final = 64 * 2**20
"""Bytes of an answer's body; a reply of 100,000 tokens with log-probabilities takes about 20 MB."""
AFTERWARDS_S: Final = 2.0
"""Longest wait for the end of a stream whose reply is whole: most servers send it at once, some never."""
_OPEN_FILES: Final = 65_536
_BUNDLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


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
        """Name the server; ``timeout_s`` bounds its silence, ``whole_s`` a whole reply, however it comes."""
        self.given = address
        self.address = address  # changes where the server redirects, or where ``/v1`` was missing
        self.pace = Pace(policy or RetryPolicy())
        self.credentials = credentials
        self._timeout_s, self._whole_s = timeout_s, whole_s
        self._proxy = proxy_for(address.url)
        self._by_socks = (self._proxy or "").startswith("socks")
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}

    @property
    def url(self) -> str:
        return self.address.url

    def open(self) -> None:
        """Make it ready for use in the running event loop, without a limit of its own on connections."""
        allow_many_connections()
        # uvicorn, so vLLM, closes idle connections after 5 s: be the first
        settings: dict[str, Any] = {"limit": 0, "keepalive_timeout": 4.0}
        if self._proxy and self._by_socks:
            try:
                from aiohttp_socks import ProxyConnector  # type: ignore[import-not-found,unused-ignore]
            except ImportError:
                shown = _shown(self._proxy)
                raise UsageError(f"{shown} is a SOCKS proxy, which needs: pip install aiohttp-socks") from None
            connector = ProxyConnector.from_url(self._proxy.replace("socks5h:", "socks5:"), rdns=True, **settings)
        else:
            connector = aiohttp.TCPConnector(socket_factory=_socket, **settings)
        self._sessions[asyncio.get_running_loop()] = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=30.0),
            headers={"Accept-Encoding": "identity"},  # replies are short: unpacking costs more than it spares
        )

    async def close(self) -> None:
        if session := self._sessions.pop(asyncio.get_running_loop(), None):
            await session.close()

    async def ask(self, path: str, body: Mapping[str, Any] | None = None, *, timeout_s: float = ASK_S) -> object:
        """Return the answer to ``POST path``, as JSON; without a body to ``GET path``; raise as `events` does."""
        async with aclosing(self.events(path, body, timeout_s=timeout_s)) as events:
            async for answer in events:
                return answer
        raise TransientError(f"{self.url} sent an answer that is not JSON")

    async def events(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        ended: Callable[[], bool] = lambda: False,
        *,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[object, None]:
        """Yield what answers ``POST path``, one JSON value an event, and `DONE`; without a body ``GET path``.

        The path is below the base URL, or absolute. A whole answer is one value. The time limit is one between events,
        the server's own by default: a stream that moves is not hanging, one that sends nothing but comments is. Once
        the reply has ``ended``, little is waited for what may follow.

        Raises:
            Refusal: The server answered with an error.
            TransientError: No answer, or none that can be read.
            UsageError: It redirects to another host.
        """
        limit = _Limit(timeout_s or self._timeout_s, self._whole_s)
        with self._failures(limit):
            async with await self._request("GET" if body is None else "POST", path, body, limit) as response:
                if response.status >= 300:
                    told = (await _whole(response, limit)).decode("utf-8", "replace")
                    raise refusal(response.status, told, response.headers, self._secrets)
                reader = EventReader()
                try:
                    async for chunk in _chunks(response, limit):
                        for event in self._read(reader, reader.feed(chunk)):
                            yield event
                            limit.begin(AFTERWARDS_S if event is DONE or ended() else math.inf)
                except TimeoutError:
                    if not ended():
                        raise
                for event in self._read(reader, reader.rest()):
                    yield event

    def _read(self, reader: EventReader, events: Iterator[object]) -> Iterator[object]:
        try:
            for event in events:
                if event is not DONE and (status := error_status(event)):
                    raise refusal(status, event, secrets=self._secrets)
                yield event
        except ValueError:  # an answer of 200 without JSON: a web page is most often a wrong address
            found = refusal(404, reader.page, secrets=self._secrets)
            if not found.page:
                raise TransientError(f"{self.url} sent an answer that is not JSON") from None
            found.message = found.words = f"a web page instead of JSON ({found.message[:80]})"
            raise found from None

    @asynccontextmanager
    async def forward(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        key: str | None = None,
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
                    ssl=tls() if url.startswith("https:") else True,
                )
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            response.close()
            url, self.address = self.address.moved(url, location)
        raise UsageError(f"{self.url} redirects without end")

    @property
    def _secrets(self) -> list[str]:
        return self.credentials.secrets(self.address)

    @contextmanager
    def _failures(self, limit: _Limit) -> Iterator[None]:
        """Turn whatever goes wrong in an exchange into TransientError; from None: the causes may hold the key."""
        try:
            yield
        except aiohttp.ConnectionTimeoutError as error:
            raise self._lost(error) from None
        except TimeoutError:
            raise TransientError(f"{self.url} gave no answer within {limit.seconds:g} s", status=504) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._lost(error) from None
        except (ValueError, RecursionError):
            raise TransientError(f"{self.url} sent an answer that is not JSON") from None
        except OverflowError as error:
            raise TransientError(f"{self.url} sent {error}") from None

    def _lost(self, error: Exception) -> TransientError:
        connecting = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        proxy = "Proxy" in type(error).__name__
        if not connecting and not proxy:
            tls = "it speaks TLS: write https:// in the base URL" if "\\x15\\x03" in str(error) else ""
            why = tls or tidy(str(error) or type(error).__name__, self._secrets)
            return TransientError(f"the connection to {self.url} was lost ({why})")
        where = self.url
        if self._proxy and (proxy or self._by_socks):
            where = f"{where} by the proxy {_shown(self._proxy)} (of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY)"
        why = tidy(_why_unconnected(error), self._secrets)
        return TransientError(f"cannot connect to {where} ({why})", unreachable=True, status=503)


class _Limit:
    """A limit on silence, which begins anew with each sign of life, and one on the whole."""

    def __init__(self, seconds: float, whole_s: float) -> None:
        self.seconds = min(seconds, whole_s)
        self._last = asyncio.get_running_loop().time() + whole_s
        self.begin()

    def begin(self, most_s: float = math.inf) -> None:
        self._end = min(asyncio.get_running_loop().time() + min(self.seconds, most_s), self._last)

    def running(self) -> asyncio.Timeout:
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
            raise OverflowError(f"an answer of more than {LARGEST_REPLY // 2**20} MiB")
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


# -- sockets, proxies, certificates


def _socket(info: tuple[Any, ...]) -> socket.socket:
    """Return a socket that notices a peer that is gone, and keeps a long silence alive in the tables on its way."""
    made = socket.socket(info[0], info[1], info[2])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30)
    return made


def allow_many_connections() -> None:
    """Raise this process's soft limit on open files, often 1024, towards the hard one: each call in flight is one."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # the system may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def proxy_for(url: str) -> str | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (or the system) name for a URL, or None."""
    parts = urlsplit(url)
    proxies, host = getproxies(), parts.hostname or ""
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    for one in proxies.get("no", "").split(","):
        with suppress(ValueError):  # a name is no range of addresses
            if ipaddress.ip_address(host) in ipaddress.ip_network(one.strip(), strict=False):
                return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _shown(proxy: str) -> str:
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def tls() -> ssl.SSLContext:
    """Return the certificates to check against: the system's, and SSL_CERT_FILE's and its likes or Mozilla's.

    Raises:
        UsageError: The file that a variable names cannot be read.
    """
    return _context(tuple((name, os.environ[name]) for name in _BUNDLES if os.environ.get(name)))


@functools.cache
def _context(named: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for variable, bundle in named or (("certifi", certifi.where()),):
        try:
            context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
        except (OSError, ssl.SSLError):
            raise UsageError(f"{variable} names {bundle}, which holds no certificates") from None
    return context
