"""The base of all methods: a memoised recursion over members, and a choice among the last population."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from asyncio import Future
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from selfagg.errors import UsageError
from selfagg.run.stopping import POPULATION_RULES, VOTE_RULES, Lead, Rule, Share, rule_named
from selfagg.types import Member

if TYPE_CHECKING:
    from selfagg.run.question_run import QuestionRun

ADAPTIVE = ("stop", "copy", "answer")
"""Settings that a record names only where they are not at their default: older records lack them."""

Members = Callable[[int, int], "Future[Member]"]
"""``member(t, i)``: one member, computed once, from when it is first asked for."""


@dataclasses.dataclass(frozen=True)
class Method(ABC):
    """A way to spend calls on a question. A method is a subclass, and a line in ``METHODS``.

    Attributes:
        n: Members of a population.
        t: Populations, the first included.
    """

    name: ClassVar[str]
    uniform: ClassVar[bool] = True
    """True if all members of the last population are equally good as an answer, so that one of them is enough."""
    grows: ClassVar[str] = "n"
    """The setting, ``n`` or ``t``, that is made larger to spend a larger budget."""
    own_sizes: ClassVar[bool] = False
    """True if sizes that are meant for several methods at once are not for this one."""
    rules: ClassVar[tuple[type, ...]] = ()
    """The kind of rules that its setting ``stop`` takes, where it has one: `Share` or `Lead`."""
    judgements: ClassVar[int] = 0
    """Short calls for each member of the last population that ask the model what it thinks of it."""
    n: int = 16
    t: int = 10

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UsageError(f"{self.name}: n = {self.n}, but a population needs at least 1 member")
        if self.t < 1:
            raise UsageError(f"{self.name}: t = {self.t}, but there is at least 1 population (T counts the first)")
        if self._stop is not None and not isinstance(self._stop, self.rules):
            other, ours = ("votes", POPULATION_RULES) if Share in self.rules else ("populations", VOTE_RULES)
            stop = getattr(self, "stop", None)
            raise UsageError(f"{self.name}: stop {stop!r} is a rule for {other}; here there are {ours}")

    @abstractmethod
    def members(self, run: QuestionRun) -> Members:
        """Set the recursion up for one question; sample nothing before a member is asked for."""

    def size(self, t: int) -> int:
        """Return the number of members of population ``t``."""
        return self.n

    async def weigh(self, run: QuestionRun, population: Sequence[Member]) -> list[float]:
        """Return the chance of each member of the last population to be the answer; by default all are equal."""
        return [1 / len(population)] * len(population)

    @property
    def _stop(self) -> Rule | None:
        return rule_named(getattr(self, "stop", "never")) if self.rules else None

    @property
    def rule(self) -> Rule | None:
        """Return the rule that may end a question after a population before the last, or None."""
        return self._stop if Share in self.rules else None

    @property
    def vote_rule(self) -> Rule | None:
        """Return the rule that may end the last population, a vote, before all its members are there, or None."""
        return self._stop if Lead in self.rules else None

    @property
    def one_answer(self) -> bool:
        """Return True if one member of the last population is enough for an answer."""
        return self.uniform

    @property
    def compares(self) -> bool:
        """Return True if the settings compare answers before the end, so that answers must be comparable."""
        return self.rule is not None or self.vote_rule is not None

    @property
    def parents(self) -> int:
        """Return the number of candidates that a member of a later population is made from."""
        return 1

    @property
    def calls(self) -> int:
        """Return the most calls that a question takes: every member computed and judged, none stopped or copied."""
        return sum(self.size(t) for t in range(1, self.t + 1)) + self.judgements * self.size(self.t)

    def settings(self) -> Mapping[str, Any]:
        """Return name and settings, for the record."""
        defaults = {field.name: field.default for field in dataclasses.fields(self) if field.name in ADAPTIVE}
        told = {key: value for key, value in dataclasses.asdict(self).items() if defaults.get(key, self) != value}
        return {"name": self.name, **told}
