"""What whoever runs the server decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from selfagg.engine.run import Choice


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request, and all together, may ask for.

    Attributes:
        n: Largest population.
        k: Largest aggregation set.
        t: Most populations.
        open_requests: Requests at once, those that wait for a call included; past it 429.
        body_bytes: Largest request body; images count in base64.
        bodies_at_once: Bodies of the largest size that are held at once; past it 429.
    """

    n: int = 64
    k: int = 16
    t: int = 32
    open_requests: int = 4096
    body_bytes: int = 32 * 2**20
    bodies_at_once: int = 16

    @property
    def all_bodies_bytes(self) -> int:
        """Bytes of the bodies of all open requests."""
        return self.bodies_at_once * self.body_bytes


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How the server answers where a request does not say.

    Attributes:
        method: ``rsa``, ``single`` (plain calls unless asked otherwise) or another method.
        n: Members of a population.
        k: Candidates of an aggregation set.
        t: Populations, the first included.
        stop: When a population of RSA is the last; see `selfagg.RSA`.
        copy: Whether RSA copies a set whose candidates agree.
        answer: How RSA's answer is chosen where a request does not say.
        candidate: What of a candidate an aggregation shows.
        server_defaults: As `Sampling.server_defaults`, of every deliberation's members.
        limits: Bounds on what a request may ask for.
        keys: API keys of which a client must have one; none: no key is asked for.
        forward_key: Whether a plain call takes the client's key to the backend.
        record: A file that keeps every generation, or None.
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
    limits: Limits = field(default_factory=Limits)
    keys: tuple[str, ...] = field(default=(), repr=False)
    forward_key: bool = False
    record: Path | None = None
    keep_alive_s: float = 15.0
