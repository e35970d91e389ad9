"""One aggregation: RSA with two populations."""

from __future__ import annotations

from dataclasses import dataclass

from selfagg.errors import UsageError
from selfagg.methods.rsa import RSA


@dataclass(frozen=True)
class OneStep(RSA):
    """N samples, each of N aggregations over K of them, and no recursion (the paper's one-step self-aggregation)."""

    name = "one-step"
    grows = "n"
    t: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.t != 2:
            raise UsageError(f"{self.name}: t = {self.t}, but it has two populations; with another t it is rsa")
