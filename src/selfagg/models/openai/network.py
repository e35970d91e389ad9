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

_OPEN_FILES: Final = 65_536
_BUNDLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def open_session(proxy: str | None = None) -> aiohttp.ClientSession:
    """Return a session without a limit of its own on connections; a proxy of SOCKS is built into it."""
    allow_many_connections()
    # uvicorn, so vLLM, closes idle connections after 5 s: be the first
    settings: dict[str, Any] = {"limit": 0, "keepalive_timeout": 4.0}
    if proxy and proxy.startswith("socks"):
        try:
            from aiohttp_socks import ProxyConnector  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            raise UsageError(f"{shown(proxy)} is a SOCKS proxy, which needs: pip install aiohttp-socks") from None
        connector = ProxyConnector.from_url(proxy.replace("socks5h:", "socks5:"), rdns=True, **settings)
    else:
        connector = aiohttp.TCPConnector(socket_factory=_socket, **settings)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=30.0),
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
    if not proxy or proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    for one in proxies.get("no", "").split(","):
        with suppress(ValueError):  # a name is no range of addresses
            if ipaddress.ip_address(host) in ipaddress.ip_network(one.strip(), strict=False):
                return None
    return proxy if "://" in proxy else f"http://{proxy}"


def shown(proxy: str) -> str:
    """Return a proxy's address without user name and password."""
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
