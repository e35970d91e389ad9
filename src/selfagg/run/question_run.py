"""One question being answered: what a method has in its hands."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from selfagg.errors import SelfaggError, UsageError
from selfagg.methods.base import Method
from selfagg.prompts.prompt import Prompt
from selfagg.record.rows import CANDIDATE
from selfagg.run.engine import Engine
from selfagg.scoring import majority, scorer_for
from selfagg.scoring.reply import score_reply, stated_answer
from selfagg.types import Member, Question, Reply, Usage

P = ParamSpec("P")
T = TypeVar("T")


class QuestionRun:
    """One question under one method: samples members, remembers them, reads and scores their answers.

    Attributes:
        question: The question.
        seed: The run's seed, from which the method draws its sets.
        members: Every member that is done, by (t, i).
        usage: Tokens of all calls made for it, those in the record included.
        estimated: Tokens of the calls whose server did not tell them, by estimate.
        calls: How many those were.
        replies: How many of them gave a reply.
        spent: Set once ``usage`` and ``estimated`` have reached the budget.
    """

    def __init__(
        self,
        engine: Engine,
        question: Question,
        position: int,
        method: Method,
        *,
        max_total_tokens: int | None = None,
    ) -> None:
        self.question = question
        self.seed = engine.settings.seed
        self.members: dict[tuple[int, int], Member] = {}
        self.usage = Usage()
        self.estimated = Usage()
        self.calls = 0
        self.replies = 0
        self.spent = asyncio.Event()
        self._budget = max_total_tokens
        self._engine = engine
        self._position = position
        self._method = method
        self._given = engine.settings.scorer
        self._scorer = self._given or scorer_for(question.kind)
        self._stored: dict[tuple[str, int, int], Member] = {}
        self._tasks: list[asyncio.Task[Any]] = []
        self._scoring: dict[tuple[int, int], asyncio.Task[Member]] = {}
        self._unscorable: SelfaggError | None = None
        self._reopened = False

    async def load(self, *, before: int | None = None) -> None:
        """Read what the record has of this question; of the populations before ``before`` where that is given."""
        stored = await self._engine.record.load(self._position)
        self._stored = {at: member for at, member in stored.items() if before is None or at[1] < before}

    def memoised(self, function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, asyncio.Future[T]]:
        """Turns a coroutine function into one that starts a task for each distinct call, and later only awaits it.

        Each caller gets a shield around the task. Without it a cancelled member would cancel its parents, they
        theirs, along every path of the recursion: K to the power of T of them.
        """

        @functools.cache
        def start(*args: Any) -> asyncio.Task[T]:
            task = asyncio.get_running_loop().create_task(function(*args))  # type: ignore[call-arg]
            self._tasks.append(task)
            return task

        def ask(*args: P.args, **_: P.kwargs) -> asyncio.Future[T]:
            return asyncio.shield(start(*args))

        return ask

    async def sample(self, t: int, i: int, prompt: Prompt, role: str = CANDIDATE) -> Member:
        """The member at this address: from the record if it is there, else from the model.

        Args:
            t: Its population.
            i: Its place.
            prompt: What it is sampled from, and with it its parents.
            role: ``candidate``; another word for calls that make no member of a population.

        Raises:
            SelfaggError: An earlier member could not be scored at all, so that further ones have no use.
        """
        if self._unscorable:
            raise self._unscorable
        stored = self._stored.pop((role, t, i), None)
        if stored is not None and (stored.error is None or not self._engine.retry_failed):
            self._check_parents(stored, prompt)
            member = stored
            self._engine.callback.generated(self._position, member, role, fresh=False)
        else:
            member = await self._engine.sample(
                self.question, self._position, t, i, prompt, method=self._method.name, role=role
            )
        await self._count(member, prompt)
        if role == CANDIDATE:
            answer = stated_answer(self.question, member.reply, self._given) if member.reply else None
            member = replace(member, answer=answer)
            self.members[t, i] = member
            self._scoring[t, i] = asyncio.create_task(self._score(member, again=stored is not None))
        return member

    async def _count(self, member: Member, prompt: Prompt) -> None:
        self.calls += 1
        if member.reply:
            self.replies += 1
            self.usage += member.reply.usage
            if member.reply.usage.unknown:
                self.estimated += await self._engine.estimate(prompt, member.reply)
        if self._budget is not None and (self.usage + self.estimated).total >= self._budget:
            self.spent.set()

    def _check_parents(self, stored: Member, prompt: Prompt) -> None:
        parents = tuple(candidate.i for candidate in prompt.candidates)
        if stored.parents != parents:
            raise UsageError(
                f"question {self.question.id}: the record has member {stored.i} of population {stored.t} with parents "
                f"{list(stored.parents)}, but this run draws {list(parents)}; it was made by another version"
            )

    async def _score(self, member: Member, *, again: bool) -> Member:
        if member.score is None:
            try:
                verdict = await score_reply(self.question, member.reply or Reply(""), self._given)
            except SelfaggError as error:
                self._unscorable = error
                raise
            member = replace(member, answer=verdict.answer, score=verdict.score)
            self.members[member.t, member.i] = member
            if again and member.score is not None and not self._reopened:
                self._reopened = True  # the groups of a question that was done do not hold this answer yet
                await self._engine.record.save_weights(self._position, None)
            await self._engine.record.save_score(self._position, member, verdict.note)
        self._engine.callback.scored(self._position, member)
        return member

    async def scored(self) -> None:
        """Waits until every member that is done has its score."""
        await asyncio.gather(*self._scoring.values())

    async def groups(self, population: Sequence[Member]) -> list[list[Member]]:
        """Members by equal answers, largest group first, ties by the earliest member; the answerless are left out."""
        return await majority(self._scorer, self.question, population)

    async def group(self) -> None:
        """Records which members of each population have equal answers."""
        for t in {t for t, _ in self.members}:
            population = [self.members[t, i] for i in range(self._method.size(t)) if (t, i) in self.members]
            await self._engine.record.save_groups(self._position, await self.groups(population))

    async def vote(self, population: Sequence[Member]) -> list[float]:
        """Majority vote: all weight on the earliest member of the largest group; even where nobody has an answer."""
        groups = await self.groups(population)
        if not groups:
            return [1 / len(population)] * len(population)
        winner = groups[0][0]
        return [float(member.i == winner.i) for member in population]

    async def stop(self) -> None:
        """Ends all sampling for this question; what is done stays."""
        await _ended(self._tasks)

    async def close(self) -> None:
        """Ends whatever still runs for this question."""
        try:
            await self.stop()
        finally:
            await _ended(self._scoring.values())


async def _ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    running = [*tasks]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
