"""Settings that the operator of a server decides, the clients' keys among them."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from selfagg._internal.arguments import check_amounts
from selfagg.errors import UsageError
from selfagg.run.runner import Choice

KEYS_VARIABLE = "SELFAGG_API_KEYS"


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The bounds on a request, and on all open requests together.

    Attributes:
        n: Largest N of a request.
        k: Largest K of a request.
        t: Largest T of a request.
        open_requests: Open requests, those that wait for a call included; past it 429.
        body_bytes: Largest request body, in megabytes on the command line; images count in base64.
        bodies_at_once: Bodies of the largest size that are held at once; past it 429.
    """

    n: int = 64
    k: int = 16
    t: int = 32
    open_requests: int = 4096
    body_bytes: int = 32 * 2**20
    bodies_at_once: int = 16

    def __post_init__(self) -> None:
        check_amounts(**asdict(self))


@dataclass(frozen=True, slots=True)
class RequestDefaults:
    """The defaults of a request.

    Attributes:
        method: Method where a request names none: rsa, single (plain calls), majority, ...
        n: Members of a population.
        k: Candidates of an aggregation set.
        t: Populations, the first included.
        stop: When a population of RSA is the last, where answers compare; see `selfagg.RSA`.
        copy: RSA copies a set whose candidates agree, where answers compare.
        answer: How the answer is chosen where answers compare: majority or sample; free text and tools: sample.
        candidate: Part of a candidate that an aggregation shows: response, reasoning, answer, tail:TOKENS.
        server_defaults: neutral (False): the whole distribution, the same through every connection. server (True):
            what is not given is as the server or the checkpoint has it.
        routes: How requests for another model's name are answered, as gpt-4o=rsa-8-4-5 or *-mini=plain; also default,
            or any method. Several times; a name may hold * and ?, and the first that fits decides.
        record: A file that keeps every deliberation, for selfagg report.
    """

    method: str = "rsa"
    n: int = 8
    k: int = 4
    t: int = 5
    stop: str = "share:0.875"
    copy: bool = True
    answer: Choice = "majority"
    candidate: str = "response"
    server_defaults: bool = False
    routes: Mapping[str, str] = field(default_factory=dict)
    record: Path | None = None

    def __post_init__(self) -> None:
        check_amounts(n=self.n, k=self.k, t=self.t)

    @property
    def rsa(self) -> dict[str, Any]:
        """Return sizes and rules of the default method where that is RSA; ``{}`` where it is another one."""
        own = ("n", "k", "t", "stop", "copy")
        return {name: getattr(self, name) for name in own} if self.method == "rsa" else {}


@dataclass(frozen=True, slots=True)
class ServeSettings(RequestDefaults):
    """The settings of a server.

    Attributes:
        plain_tokens: A request for at most so many tokens that asks for no method is a plain call: it wants a title,
            or checks a connection. 0: none is.
        limits: Bounds on what a request may ask for.
        keys: API keys of which a client must have one; none: no key is asked for.
        forward_key: Plain calls go on with the client's own key.
        allow_origins: A site whose pages may use this server, as https://chat.example.org; several times. Pages of
            this machine may anyway. With keys, * allows all.
        keep_alive_s: Longest silence of a stream, so that no proxy takes it for dead.
    """

    plain_tokens: int = 0
    limits: ServerLimits = field(default_factory=ServerLimits)
    keys: tuple[str, ...] = field(default=(), repr=False)
    forward_key: bool = False
    allow_origins: tuple[str, ...] = ()
    keep_alive_s: float = 15.0


def read_keys(file: Path | None) -> tuple[str, ...]:
    """Return the keys that clients must have, from a file or the environment; none: no key is asked for.

    Raises:
        UsageError: The file cannot be read, or holds no key.
    """
    if file is None:
        where, given = KEYS_VARIABLE, os.environ.get(KEYS_VARIABLE, "").split(",")
    else:
        try:
            where, given = str(file), file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not text"
            raise UsageError(f"cannot read the client keys {file}: {why}") from None
    keys = tuple(key.strip() for key in given if key.strip() and not key.startswith("#"))
    for number, key in enumerate(keys, 1):
        if not key.isascii() or not key.isprintable() or " " in key:
            raise UsageError(f"{where}: key {number} holds characters that no header can carry")
    if file and not keys:
        raise UsageError(f"the file of client keys {file} holds none")
    return keys


def check_address(host: str, settings: ServeSettings) -> None:
    """Raise UsageError if others than this machine or an allowed site could use the server without a key."""
    for origin in settings.allow_origins:
        if origin == "*" and not settings.keys:
            why = "lets every page on the web use your model: name keys, or the sites one by one"
            raise UsageError(f"--allow-origin * {why}")
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s*]+", origin):
            why = "an origin reads https://HOST or https://HOST:PORT, without a path"
            raise UsageError(f"--allow-origin {origin}: {why}")
    if not is_loopback(host) and not settings.keys:
        how = f"name keys with --client-keys FILE or in {KEYS_VARIABLE}"
        raise UsageError(f"--host {host} can be reached by others: {how}")


def is_loopback(host: str) -> bool:
    """Return True if a name or address is this machine's own, which no other machine can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"
