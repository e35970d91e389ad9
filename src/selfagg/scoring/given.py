"""Scorers made of a function or an object that a user gives."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from selfagg import registry
from selfagg._internal.arguments import suggest
from selfagg.errors import UsageError
from selfagg.scoring.base import Scorer, Verdict, scorer_for
from selfagg.types import Question

Score = float | bool | Verdict
ScoreFunction = Callable[[Question, str], Score | Awaitable[Score]]


@runtime_checkable
class Answers(Protocol):
    """An object that reads and compares answers; it may have ``score`` too, as `ScoreFunction`."""

    def answer(self, question: Question, text: str) -> str | None:
        """Return the final answer that a response states, or None."""
        ...

    def same(self, question: Question, answers: Sequence[str]) -> Sequence[int] | Awaitable[Sequence[int]]:
        """Return for each answer the position of the first answer equal to it."""
        ...


GivenScorer = ScoreFunction | Answers | Scorer | str
"""A function, an object, or the name of a scorer that a package registers as ``selfagg.scorers``."""


def scorer_given(given: GivenScorer | None) -> Scorer | None:
    """Return a scorer made of what a user gives; None for None.

    Raises:
        UsageError: It is neither a callable, nor an object with ``answer`` and ``same``, nor a registered name.
    """
    if given is None or isinstance(given, _Given):
        return given
    if isinstance(given, str):
        found: Any = registry.load("scorers", given, object)
        if found is None or isinstance(found, str):
            known = registry.registered("scorers")
            hint = suggest(given, known) if known else "no package registers one"
            raise UsageError(f"there is no scorer {given!r}; {hint}")
        return scorer_given(found() if isinstance(found, type) else found)
    if isinstance(given, type):
        raise UsageError(f"the scorer is the class {given.__name__}: write {given.__name__}()")
    if isinstance(given, Answers) or callable(given):
        return _Given(given)
    raise UsageError(
        f"the scorer must be a function (question, text) -> score, or an object with answer and same, not {given!r}"
    )


class _Given:
    """A scorer by a function, or by an object; answers are read and compared as the object or the question's kind does.

    Without a function an answer equal to the gold one is right. What it raises, or returns that is no score, leaves the
    answer unscored, which is counted and shown. One that is not async runs in a thread, one call at a time.
    """

    def __init__(self, given: Any) -> None:
        named = given if inspect.isroutine(given) else type(given)
        self.name = str(getattr(given, "name", None) or f"{named.__module__}.{named.__qualname__}")
        self._answers: Answers | None = given if isinstance(given, Answers) else None
        self._function = given if self._answers is None else getattr(given, "score", None) or self._equal
        self._turn = asyncio.Lock()

    def answer(self, question: Question, text: str) -> str | None:
        return (self._answers or scorer_for(question.kind)).answer(question, text)

    async def score(self, question: Question, text: str) -> Verdict:
        answer = self.answer(question, text)
        if not text:
            return Verdict(None, 0.0)
        try:
            found = await self._called(self._function, question, text)
        except Exception as error:  # the user's code may raise anything
            return Verdict(answer, None, f"the scorer {self.name} raised {type(error).__name__}: {error}"[:500])
        if isinstance(found, Verdict):
            return found
        if isinstance(found, int | float) and 0 <= found <= 1:
            return Verdict(answer, float(found))
        return Verdict(answer, None, f"the scorer {self.name} returned {found!r}, no number from 0 to 1"[:500])

    async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
        if self._answers is None:
            return await scorer_for(question.kind).same(question, answers)
        return list(await self._called(self._answers.same, question, list(answers)))

    async def _equal(self, question: Question, text: str) -> Verdict:
        answer = self.answer(question, text)
        if question.gold is None:
            return Verdict(answer)
        if answer is None:
            return Verdict(None, 0.0)
        first, second = await self.same(question, [question.gold, answer])
        return Verdict(answer, float(first == second))

    async def _called(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(*arguments)
        async with self._turn:
            found = await asyncio.to_thread(function, *arguments)
        return await found if inspect.isawaitable(found) else found
