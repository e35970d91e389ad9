"""Who may come in, and how large a body may be: checked before anything is read."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from selfagg.server.errors import ApiError

OPEN = ("/", "/page/style.css", "/page/script.js", "/health", "/openapi.json")
"""Answered without a key: the page (which asks for one) and what tells of nobody's work."""


class Keys:
    """The API keys of which a client must have one; compared in constant time, kept as digests alone."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def __repr__(self) -> str:
        return f"Keys({len(self._digests)})"

    def know(self, key: str) -> bool:
        """Whether the key is one of them; takes as long for a wrong one as for any right one."""
        given = _digest(key)
        return any([hmac.compare_digest(given, digest) for digest in self._digests])  # noqa: C419 - all are compared


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def bearer(headers: Headers) -> str:
    """The key that a request carries, or ``""``."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _from_another_site(headers: Headers) -> bool:
    """Whether a browser sends this for a page that is none of this server's.

    A page anywhere may have a browser post to this machine (it then says ``Sec-Fetch-Site``), or come by a name of its
    own that leads here (then the name is in ``Host``).
    """
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    try:
        name = urlsplit(f"//{headers.get('host', 'localhost')}").hostname
    except ValueError:
        return True
    return name is None or not is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, which no other machine can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Door:
    """Turns away requests without a key where one is needed, and bodies that are too large."""

    def __init__(self, app: ASGIApp, keys: Keys, body_bytes: int) -> None:
        self._app, self._keys, self._most = app, keys, body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path = scope["path"]
        is_open = not self._keys or path in OPEN
        if not is_open and not self._keys.know(bearer(headers)):
            refusal = ApiError(401, "a valid API key is needed (Authorization: Bearer KEY)", code="invalid_api_key")
            await refusal.response()(scope, receive, send)
            return
        if not self._keys and _from_another_site(headers):
            refusal = ApiError(403, "without keys this server answers programs and pages of this machine alone")
            await refusal.response()(scope, receive, send)
            return
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._most:
            await self._too_large().response()(scope, receive, send)
            return
        left = self._most

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise self._too_large()
            return message

        await self._app(scope, bounded, send)

    def _too_large(self) -> ApiError:
        return ApiError(413, f"the request body is larger than {self._most:,} bytes", code="request_too_large")
