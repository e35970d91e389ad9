"""Where an engine's generations go: into a record, or nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from selfagg.record.rows import Generation
from selfagg.types import Member


class Store(Protocol):
    """What an engine and its trials need of a record; see `selfagg.record.record.Record`, which is one."""

    async def save(self, generation: Generation) -> None:
        """Keeps one generation; kept when this returns."""
        ...

    async def save_score(self, question: int, member: Member, note: str = "") -> None:
        """Keeps what a member's answer is and what it is worth."""
        ...

    async def save_groups(self, question: int, groups: Sequence[Sequence[Member]]) -> None:
        """Keeps which members of a population have equal answers."""
        ...

    async def save_weights(self, question: int, weights: Sequence[float] | None) -> None:
        """Keep each last member's chance to be the answer, or that the question is not done any more."""
        ...

    async def load(self, question: int) -> dict[tuple[str, int, int], Member]:
        """All that is kept of a question, by (role, t, i)."""
        ...

    async def drain(self) -> None:
        """Waits until all that was handed over is kept."""
        ...

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a reading statement."""
        ...


class NullStore:
    """Keeps nothing, for requests whose answer is all that anybody wants: memory stays what is in flight."""

    async def save(self, generation: Generation) -> None:
        pass

    async def save_score(self, question: int, member: Member, note: str = "") -> None:
        pass

    async def save_groups(self, question: int, groups: Sequence[Sequence[Member]]) -> None:
        pass

    async def save_weights(self, question: int, weights: Sequence[float] | None) -> None:
        pass

    async def load(self, question: int) -> dict[tuple[str, int, int], Member]:
        return {}

    async def drain(self) -> None:
        pass

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return []
