"""The base URL of a server: read as people write it, shown without secrets."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from selfagg.errors import UsageError

_PASTED = re.compile(r"/(chat/completions|completions|responses|embeddings|models)$")
_VERSION = re.compile(r"/v\d\w*(/|$)")


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server.

    Attributes:
        url: Base URL without user name, password, query and closing slash: fit to be shown.
        query: The part after ``?`` of every request, as Azure's ``api-version=...``; may be secret.
        basic: User name and password as the Authorization header has them, or ``""``.
        other: The same with or without ``/v1``, to be tried where ``url`` is not found; None: there is none.
    """

    url: str
    query: str = ""
    basic: str = ""
    other: str | None = None

    @property
    def root(self) -> str:
        """Return the base URL without ``/v1``, where servers keep what is not OpenAI's."""
        return self.url.removesuffix("/v1")

    @property
    def azure(self) -> bool:
        """Return True if Azure serves it, which wants its key in a header of its own."""
        return (urlsplit(self.url).hostname or "").endswith((".azure.com", ".azure.us", ".azure.cn"))

    @property
    def secrets(self) -> list[str]:
        """Return the texts that must never be shown."""
        values = [unquote(pair.partition("=")[2]) for pair in self.query.split("&") if "version" not in pair]
        password = base64.b64decode(self.basic.removeprefix("Basic ")).decode().partition(":")[2]
        return [*values, self.basic.removeprefix("Basic "), password]

    def at(self, path: str) -> str:
        """Return the whole URL of a path below the base URL, or of an absolute one, with the query."""
        url = path if "://" in path else f"{self.url}/{path}"
        return f"{url}{'&' if '?' in url else '?'}{self.query}" if self.query else url

    def turned(self) -> Address:
        """Return the address with ``url`` and ``other`` exchanged."""
        return replace(self, url=self.other, other=self.url) if self.other else self

    def moved(self, asked: str, location: str) -> tuple[str, Address]:
        """Follow a redirect.

        Args:
            asked: The URL that was asked for.
            location: The ``Location`` header of the answer.

        Returns:
            The new URL to ask, and the address that further requests go to.

        Raises:
            UsageError: It leads to another host or away from TLS, where the key must not go.
        """
        target = urljoin(asked, location)
        old, new = urlsplit(asked), urlsplit(target)
        shown = urlunsplit((new.scheme, new.netloc.rpartition("@")[2], new.path, "", ""))
        if new.hostname != old.hostname or (old.scheme, new.scheme) == ("https", "http"):
            raise UsageError(f"{self.url} redirects to {shown}; if you trust that server, give it as the base URL")
        suffix = old.path.removeprefix(urlsplit(self.url).path)
        base = shown.removesuffix(suffix).rstrip("/")
        return target, replace(self, url=base, other=None) if shown.endswith(suffix) else self


def read_address(text: str) -> Address:
    """Read a base URL.

    ``/v1`` is added where there is no path. The end of a pasted ``/v1/chat/completions`` is left out.

    Raises:
        UsageError: It is no HTTP address.
    """
    try:
        parts = urlsplit(text.strip())
        host = parts.hostname
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        shown = re.sub(r"//[^/@]*@", "//", text)  # a password may stand there
        raise UsageError(f"the base URL {shown!r} is no address such as http://localhost:8000/v1")
    path = _PASTED.sub("", re.sub("/+", "/", parts.path).rstrip("/"))

    def url(path: str) -> str:
        return urlunsplit((parts.scheme, (f"[{host}]" if ":" in host else host) + port, path, "", ""))

    basic = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        basic = "Basic " + base64.b64encode(pair.encode()).decode()
    bare = path in ("", "/v1")
    other = url("") if bare else None if _VERSION.search(path) else url(f"{path}/v1")
    return Address(url(path or "/v1"), parts.query, basic, other)
