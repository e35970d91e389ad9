"""Access: keys, pages of other sites, and bounds on request bodies."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from selfagg.server.errors import APIError
from selfagg.server.settings import ServeSettings, is_loopback

OPEN: Final = ("/", "/page/style.css", "/page/script.js", "/page/settings.json", "/health", "/openapi.json")
"""Answered without a key: the page (which asks for one) and what tells of nobody's work."""

PAGES_HERE: Final = r"https?://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])\.?(?::[0-9]+)?"
"""Origins of pages that this machine serves."""

SILENCE_S: Final = 30.0  # longest wait for the next piece of a body, in seconds
UPLOAD_S: Final = 300.0  # longest time for a whole body, in seconds

# Names by which a container reaches the machine that it runs on; ``.internal`` belongs to nobody.
_CONTAINERS_NAMES: Final = ("host.docker.internal", "host.containers.internal")
_PLACE: Final = re.compile(r"(?:(?P<name>[^\s:/@\[\]]+)|\[(?P<six>[0-9A-Fa-f:.]+)\])(?::[0-9]+)?")


class AccessMiddleware:
    """Middleware that refuses requests without a key, pages of other sites, and bodies beyond the limits.

    Keys are kept as digests alone. A request holds the bytes of its body until it is answered, since a deliberation
    keeps the conversation.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app, self._allowed, self._limits = app, settings.allow_origins, settings.limits
        self._digests = [_digest(key) for key in settings.keys]
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if refusal := self._refusal(scope["path"], Headers(scope=scope)):
            await refusal.response(scope["path"])(scope, receive, send)
            return
        size, whole = 0, False
        latest = asyncio.get_running_loop().time() + UPLOAD_S

        async def bounded() -> Message:
            nonlocal size, whole
            if whole:  # what is awaited now is the client's leaving
                return await receive()
            try:
                async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + SILENCE_S, latest)):
                    message = await receive()
            except TimeoutError:
                raise APIError(408, "the request body did not arrive in time", code="request_timeout") from None
            whole = not message.get("more_body", False)
            size += len(message.get("body", b""))
            self._held += len(message.get("body", b""))
            if size > self._limits.body_bytes:
                raise self._too_large()
            if self._held > self._limits.bodies_at_once * self._limits.body_bytes:
                raise APIError(429, "the server holds as many request bodies as it can", code="queue_full", wait_s=5.0)
            return message

        try:
            await self._app(scope, bounded, send)
        finally:
            self._held -= size

    def _refusal(self, path: str, headers: Headers) -> APIError | None:
        if not self._digests and _from_another_site(headers, self._allowed):
            words = "without keys this server answers programs and pages of this machine alone"
            return APIError(403, f"{words} (and sites of --allow-origin)")
        if self._digests and path not in OPEN and not self._know(key_of(headers)):
            words = "a valid API key is needed (Authorization: Bearer KEY, or x-api-key: KEY)"
            return APIError(401, words, code="invalid_api_key")
        length = headers.get("content-length", "")
        return self._too_large() if length.isdigit() and int(length) > self._limits.body_bytes else None

    def _know(self, key: str) -> bool:
        """Return True if the key is valid; a wrong key takes as long as any right one."""
        given = _digest(key)
        return any([hmac.compare_digest(given, digest) for digest in self._digests])  # noqa: C419 - all are compared

    def _too_large(self) -> APIError:
        most = self._limits.body_bytes
        return APIError(413, f"the request body is larger than {most:,} bytes", code="request_too_large")


def key_of(headers: Headers) -> str:
    """Return the key that a request carries, as OpenAI's or as Anthropic's clients send it, or ``""``."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _from_another_site(headers: Headers, allowed: Sequence[str]) -> bool:
    """Return True if a browser sends this for a page that is neither of this machine nor of an allowed site.

    A page anywhere may have a browser post to this machine: the browser then names the page in ``Origin``, and tells of
    it in ``Sec-Fetch-Site``. Or the page comes by a name of its own that leads here: then that name is in ``Host``.
    """
    host, origin = headers.get("host", ""), headers.get("origin")
    if not _is_here(host) and host.lower().partition(":")[0] not in _CONTAINERS_NAMES:
        return True
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
