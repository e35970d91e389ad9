"""The address of a server and what is shown there: base URL, API key and headers, of which no secret is ever told."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from selfagg.errors import UsageError

NO_KEY: Final = "none"
"""Sent where nobody named a key: local servers want the header's form, not its content."""

_PASTED = re.compile(r"/(chat/completions|completions|responses|embeddings|models)$")
_VERSION = re.compile(r"/v\d\w*(/|$)")
_ASSIGNED = re.compile(r"(?:export\s+|set\s+|\$env:)?([A-Za-z]\w*_\w*)\s*=\s*(\S.*)")
_HEADER = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*[=:]\s*(.*)", re.DOTALL)
_ENVIRONMENT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server."""

    url: str  # base URL without user name, password, query and closing slash: fit to be shown
    query: str = ""  # after the ``?`` of every request, as Azure's ``api-version=...``; may be secret
    basic: str = ""  # user name and password as the Authorization header has them
    other: str | None = None  # the same with or without ``/v1``, to be tried where ``url`` is not found

    @property
    def root(self) -> str:
        """Return the base URL without ``/v1``, where servers keep what is not OpenAI's."""
        return self.url.removesuffix("/v1")

    def at(self, path: str) -> str:
        """Return the whole URL of a path below the base URL, or of an absolute one, with the query."""
        url = path if "://" in path else f"{self.url}/{path}"
        return f"{url}{'&' if '?' in url else '?'}{self.query}" if self.query else url

    def turned(self) -> Address:
        return replace(self, url=self.other, other=self.url) if self.other else self

    def moved(self, asked: str, location: str) -> tuple[str, Address]:
        """Follow a redirect from a URL; return the next URL to ask, and the address that further requests go to.

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
    """Read a base URL; add ``/v1`` where there is no path, leave out the end of a pasted ``/v1/chat/completions``.

    Raises:
        UsageError: It is no HTTP address.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, f":{parts.port}" if parts.port else ""
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        shown = re.sub(r"//[^/@]*@", "//", text)  # a password may stand there
        raise UsageError(f"the base URL {shown!r} is no address such as http://localhost:8000/v1")
    path = _PASTED.sub("", re.sub("/+", "/", parts.path).rstrip("/"))
    start = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
    basic = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        basic = "Basic " + base64.b64encode(pair.encode()).decode()
    other = start if path in ("", "/v1") else None if _VERSION.search(path) else f"{start}{path}/v1"
    return Address(start + (path or "/v1"), parts.query, basic, other)


class Credentials:
    """Key and further headers of a connection; the key's file is read again when the key is refused."""

    def __init__(self, key: str | None, key_file: Path | None, headers: Sequence[str] = ()) -> None:
        self.key = read_key(key, key_file)
        self._file = key_file if key is None else None
        self._more = {name: os.environ[variable] for name, variable in _ENVIRONMENT.items() if os.environ.get(variable)}
        self._given = dict(map(read_header, headers))

    @property
    def named(self) -> bool:
        return self.key != NO_KEY

    def headers(self, address: Address, key: str | None = None) -> dict[str, str]:
        """Return the headers of a request to this address, with ``key`` in the place of the own one where given."""
        sent = key or self.key
        azure = (urlsplit(address.url).hostname or "").endswith((".azure.com", ".azure.us", ".azure.cn"))
        if address.basic and key is None:
            auth = {"Authorization": address.basic}
        elif azure and not sent.startswith("ey"):  # a token of Azure's directory begins so, a key does not
            auth = {"api-key": sent}
        else:
            auth = {"Authorization": f"Bearer {sent}"}
        given = {name.lower() for name in self._given}
        return {name: value for name, value in (self._more | auth).items() if name.lower() not in given} | self._given

    def secrets(self, address: Address) -> list[str]:
        """Return the texts that must never be shown, longest first."""
        basic = address.basic.removeprefix("Basic ")
        query = [unquote(pair.partition("=")[2]) for pair in address.query.split("&") if "version" not in pair]
        found = [*query, *self._given.values(), basic, base64.b64decode(basic).decode().partition(":")[2]]
        found += [self.key] if self.named else []
        return sorted((value for value in found if len(value) >= 4), key=len, reverse=True)

    def renew(self, refused: str) -> bool:
        """Read the key's file again; return whether the key differs from the one that was refused."""
        if self._file is not None and self.key == refused:
            self.key = read_key(None, self._file)
        return self.key != refused


def read_key(key: str | None, key_file: Path | None) -> str:
    """Return the key given, or in the file, or in OPENAI_API_KEY, or `NO_KEY`.

    A file may hold the key alone, in quotes, after ``Bearer``, or as ``NAME=KEY`` in a shell's file of settings.

    Raises:
        UsageError: The file cannot be read, or what it holds cannot be a key.
    """
    if key is None and key_file is not None:
        key = _text(key_file, "API key file")
        if not key.strip():
            raise UsageError(f"the API key file {key_file} is empty")
    lines = [line.strip() for line in (key or os.environ.get("OPENAI_API_KEY") or NO_KEY).lstrip("\ufeff").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    named = {match[1]: match[2] for line in lines if (match := _ASSIGNED.fullmatch(line))}
    if "OPENAI_API_KEY" in named:
        lines = [named["OPENAI_API_KEY"]]
    elif len(lines) == len(named) == 1:
        lines = list(named.values())
    key = "\n".join(lines).strip()
    if len(key) > 1 and key[0] == key[-1] and key[0] in "\"'`":
        key = key[1:-1].strip()
    key = re.sub(r"^bearer\s+", "", key, flags=re.IGNORECASE)
    if not key.isascii() or not key.isprintable() or " " in key or not key:
        raise UsageError(
            "the API key holds characters that no key has (a line break, a space or a letter beyond ASCII)"
        )
    return key


def read_header(word: str) -> tuple[str, str]:
    """Read ``NAME=VALUE`` or ``NAME=@FILE``.

    Raises:
        UsageError: It is no header, or the file cannot be read.
    """
    match = _HEADER.fullmatch(word)
    if not match:
        raise UsageError(f"--header {word.partition('=')[0]!r}: write NAME=VALUE, or NAME=@FILE for a secret")
    name, value = match[1], match[2].strip()
    if value.startswith("@"):
        value = _text(Path(value[1:]).expanduser(), f"file of the header {name}").strip().lstrip("\ufeff")
    if not value.isascii() or not value.isprintable():
        raise UsageError(f"the header {name} holds characters that no header can carry")
    return name, value


def _text(path: Path, what: str) -> str:
    try:
        data = path.read_bytes()
        # Windows' shell writes UTF-16
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise UsageError(f"cannot read the {what} {path}: {why}") from None
