"""The way to a server: sockets, proxies, certificates."""

from __future__ import annotations

import functools
import ipaddress
import os
import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi

from selfagg.errors import UsageError

if sys.platform != "win32":
    import resource

CONNECT_S: Final = 30.0
_OPEN_FILES: Final = 65_536
_KEEP_ALIVE_S: Final = 4.0  # uvicorn, so vLLM, closes idle connections after 5 s: be the first
_BUNDLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def open_session(proxy: str | None = None) -> aiohttp.ClientSession:
    """Return a session without a limit of its own on connections: how many calls run is the engine's to say.

    Args:
        proxy: As `proxy_for` gives it; one of SOCKS is built into the session.
    """
    allow_many_connections()
    settings: dict[str, Any] = {"limit": 0, "keepalive_timeout": _KEEP_ALIVE_S}
    if is_socks(proxy):
        try:
            from aiohttp_socks import ProxyConnector  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            raise UsageError(f"{shown(proxy or '')} is a SOCKS proxy, which needs: pip install aiohttp-socks") from None
        connector = ProxyConnector.from_url((proxy or "").replace("socks5h:", "socks5:"), rdns=True, **settings)
    else:
        connector = aiohttp.TCPConnector(socket_factory=_socket, **settings)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        headers={"Accept-Encoding": "identity"},  # replies are short: unpacking costs more than it spares
    )


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
    if not proxy or proxy_bypass(f"{host}:{parts.port}" if parts.port else host) or _within(host, proxies.get("no")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def is_socks(proxy: str | None) -> bool:
    """Return True if a proxy speaks SOCKS."""
    return (proxy or "").startswith("socks")


def shown(proxy: str) -> str:
    """Return a proxy's address without user name and password."""
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _within(host: str, ranges: str | None) -> bool:
    """Return True if a host is an address within one of the ranges of NO_PROXY, as 10.0.0.0/8."""
    for one in (ranges or "").split(","):
        with suppress(ValueError):
            if ipaddress.ip_address(host) in ipaddress.ip_network(one.strip(), strict=False):
                return True
    return False


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
        folder = Path(bundle).is_dir()
        try:
            context.load_verify_locations(None if folder else bundle, bundle if folder else None)
        except (OSError, ssl.SSLError):
            raise UsageError(f"{variable} names {bundle}, which holds no certificates") from None
    return context
