"""Settings that the operator of a server decides."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from selfagg._internal.arguments import check_amounts
from selfagg.run.runner import Choice


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

    @property
    def all_bodies_bytes(self) -> int:
        """Return the bytes that the bodies of all open requests may have."""
        return self.bodies_at_once * self.body_bytes


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The settings of a server for requests that leave them open.

    Attributes:
        method: Method where a request names none: rsa, single (plain calls), majority, ...
        n: Members of a population.
        k: Candidates of an aggregation set.
        t: Populations, the first included.
        stop: The rule that makes a population of RSA the last; see `selfagg.RSA`.
        copy: RSA copies a set whose candidates agree.
        answer: RSA's choice of the answer where a request does not say: sample or majority.
        candidate: Part of a candidate that an aggregation shows: response, reasoning, answer, tail:TOKENS.
        server_defaults: neutral (False): the whole distribution, the same through every connection. server (True):
            what is not given is as the server or the checkpoint has it.
        limits: Bounds on what a request may ask for.
        keys: API keys of which a client must have one; none: no key is asked for.
        forward_key: Plain calls go on with the client's own key.
        record: A file that keeps every deliberation, for selfagg report.
        keep_alive_s: Longest silence of a stream, so that no proxy takes it for dead.
    """

    method: str = "rsa"
    n: int = 8
    k: int = 4
    t: int = 3
    stop: str = "never"
    copy: bool = False
    answer: Choice = "sample"
    candidate: str = "response"
    server_defaults: bool = False
    limits: ServerLimits = field(default_factory=ServerLimits)
    keys: tuple[str, ...] = field(default=(), repr=False)
    forward_key: bool = False
    record: Path | None = None
    keep_alive_s: float = 15.0

    def __post_init__(self) -> None:
        check_amounts(n=self.n, k=self.k, t=self.t)
