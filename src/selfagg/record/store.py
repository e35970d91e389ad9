"""Stores for an engine's generations: a record, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from selfagg.record.rows import Generation
from selfagg.types import Member


class Store(Protocol):
    """The interface of a record for the engine and its questions; see `selfagg.record.record.Record`, which is one."""

    async def save(self, generation: Generation) -> None:
        """Keep one generation; the generation is kept when the call returns."""
        ...

    async def save_score(self, question: int, member: Member, note: str = "") -> None:
        """Keep the answer and the score of a member."""
        ...

    async def save_groups(self, question: int, groups: Sequence[Sequence[Member]]) -> None:
        """Keep the groups of equal answers of a population."""
        ...

    async def save_weights(self, question: int, weights: Sequence[float] | None) -> None:
        """Keep each last member's chance to be the answer, or that the question is not done any more."""
        ...

    async def load(self, question: int) -> dict[tuple[str, int, int], Member]:
        """Return all kept members of a question, by (role, t, i)."""
        ...

    async def drain(self) -> None:
        """Wait until everything handed over is kept."""
        ...

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a reading statement."""
        ...


class NullStore:
    """A store that keeps nothing, for requests whose answer is all that anybody wants: memory stays small."""

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
