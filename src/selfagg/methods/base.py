"""What a method is: a memoised recursion over members, and a way to choose among the last population."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from asyncio import Future
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from selfagg.engine.stopping import Rule
from selfagg.errors import UsageError
from selfagg.types import Member

if TYPE_CHECKING:
    from selfagg.engine.trial import Trial

ADAPTIVE = ("stop", "copy", "answer")
"""Settings that a record names only where they are not at their default: older records lack them."""

Members = Callable[[int, int], "Future[Member]"]
"""``member(t, i)``: one member, computed once, from when it is first asked for."""


@dataclasses.dataclass(frozen=True)
class Method(ABC):
    """One way to spend calls on a question. A method is a file with one subclass, and a line in ``METHODS``.

    Attributes:
        n: Members of a population.
        t: Populations, the first included.
    """

    name: ClassVar[str]
    uniform: ClassVar[bool] = True
    """Whether every member of the last population is as good an answer as another, so that one is enough."""
    grows: ClassVar[str] = "n"
    """Which setting, ``n`` or ``t``, is made larger to spend a larger budget."""
    rules: ClassVar[tuple[type, ...]] = ()
    """The kinds of rules that its setting ``stop`` takes, where it has one."""
    judgements: ClassVar[int] = 0
    """Short calls for each member of the last population that ask the model what it thinks of it."""
    n: int = 16
    t: int = 10

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UsageError(f"{self.name}: n = {self.n}, but a population needs at least 1 member")
        if self.t < 1:
            raise UsageError(f"{self.name}: t = {self.t}, but there is at least 1 population (T counts the first)")

    @abstractmethod
    def members(self, trial: Trial) -> Members:
        """Sets the recursion up for one question; nothing is sampled before a member is asked for."""

    def size(self, t: int) -> int:
        """Members of population ``t``."""
        return self.n

    @property
    def rule(self) -> Rule | None:
        """The rule that may end a question after a population before the last; None: none does."""
        return None

    @property
    def vote_rule(self) -> Rule | None:
        """The rule that may end the last population, a vote, before all its members are there; None: none does."""
        return None

    @property
    def one_answer(self) -> bool:
        """Whether one member of the last population is enough for an answer."""
        return self.uniform

    @property
    def compares(self) -> bool:
        """Whether the settings compare answers before the end, so that answers must be comparable."""
        return False

    @property
    def parents(self) -> int:
        """Candidates that a member of a later population is made from."""
        return 1

    @property
    def calls(self) -> int:
        """Calls to the model if every member is computed and judged: at most so many where it stops or copies."""
        return sum(self.size(t) for t in range(1, self.t + 1)) + self.judgements * self.size(self.t)

    async def weigh(self, trial: Trial, population: Sequence[Member]) -> list[float]:
        """The chance of each member of the last population to be the answer; one of them, uniformly, by default."""
        return [1 / len(population)] * len(population)

    def settings(self) -> Mapping[str, Any]:
        """Name and settings, for the record."""
        defaults = {field.name: field.default for field in dataclasses.fields(self) if field.name in ADAPTIVE}
        told = {key: value for key, value in dataclasses.asdict(self).items() if defaults.get(key, self) != value}
        return {"name": self.name, **told}
