"""Authentication: decide on each request before its body is read."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from selfagg.server.errors import APIError

OPEN = ("/", "/page/style.css", "/page/script.js", "/page/settings.json", "/health", "/openapi.json")
"""Answered without a key: the page (which asks for one) and what tells of nobody's work."""


PAGES_HERE: Final = r"https?://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])\.?(?::[0-9]+)?"
"""Origins of pages that this machine serves."""

_CONTAINERS_NAMES: Final = ("host.docker.internal", "host.containers.internal")
"""Names by which a container reaches the machine that it runs on; ``.internal`` belongs to nobody."""

_PLACE = re.compile(r"(?:(?P<name>[^\s:/@\[\]]+)|\[(?P<six>[0-9A-Fa-f:.]+)\])(?::[0-9]+)?")


class Keys:
    """The API keys of which a client must have one; compared in constant time, kept as digests alone."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def __repr__(self) -> str:
        return f"Keys({len(self._digests)})"

    def know(self, key: str) -> bool:
        """Return True if the key is valid; a wrong key takes as long as any right one."""
        given = _digest(key)
        return any([hmac.compare_digest(given, digest) for digest in self._digests])  # noqa: C419 - all are compared


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def key_of(headers: Headers) -> str:
    """Return the key that a request carries, as OpenAI's or as Anthropic's clients send it, or ``""``."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()


def _from_another_site(headers: Headers, allowed: Sequence[str]) -> bool:
    """Return True if a browser sends this for a page that is neither of this machine nor of an allowed site.

    A page anywhere may have a browser post to this machine: the browser then names the page in ``Origin``, and tells of
    it in ``Sec-Fetch-Site``. Or the page comes by a name of its own that leads here: then that name is in ``Host``.
    """
    host = headers.get("host", "")
    if not _is_here(host) and host.lower().partition(":")[0] not in _CONTAINERS_NAMES:
        return True
    origin = headers.get("origin")
    if origin in allowed:
        return False
    if origin is not None:
        scheme, separator, place = origin.partition("://")
        return scheme not in ("http", "https") or not separator or not _is_here(place)
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def _is_here(place: str) -> bool:
    """Return True if ``HOST`` or ``HOST:PORT`` is this machine."""
    match = _PLACE.fullmatch(place)
    return match is not None and is_loopback(match["name"] or match["six"])


def is_loopback(host: str) -> bool:
    """Return True if a name or address is this machine's own, which no other machine can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


_ELSEWHERE: Final = APIError(
    403, "without keys this server answers programs and pages of this machine alone (and sites of --allow-origin)"
)


class AuthMiddleware:
    """Middleware that refuses requests without a key, and without keys the pages of other sites."""

    def __init__(self, app: ASGIApp, keys: Keys, allow_origins: Sequence[str] = ()) -> None:
        self._app, self._keys, self._allowed = app, keys, allow_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal.response(scope["path"]) if refusal else self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> APIError | None:
        headers = Headers(scope=scope)
        if not self._keys:
            if _from_another_site(headers, self._allowed):
                return _ELSEWHERE
        elif scope["path"] not in OPEN and not self._keys.know(key_of(headers)):
            return APIError(
                401, "a valid API key is needed (Authorization: Bearer KEY, or x-api-key: KEY)", code="invalid_api_key"
            )
        return None
