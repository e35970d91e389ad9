"""One question being answered: the operations that a method may use."""

from __future__ import annotations

import asyncio
import functools
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from selfagg.errors import SelfaggError, UsageError
from selfagg.methods.base import Members, Method
from selfagg.prompts.prompt import Prompt
from selfagg.record.rows import CANDIDATE, Generation
from selfagg.run.engine import Engine
from selfagg.run.stopping import is_copied
from selfagg.scoring import majority, scorer_for
from selfagg.scoring.reply import score_reply, stated_answer
from selfagg.types import Member, Question, Reply, Usage

P = ParamSpec("P")
T = TypeVar("T")


class QuestionRun:
    """The state of one question under one method: it samples members, remembers them, reads and scores answers.

    Whether the question goes on after a population is a function of that population's answers, and a population that
    has recorded successors went on: so an interrupted run decides as before.
    """

    def __init__(
        self, engine: Engine, question: Question, position: int, method: Method, *, max_total_tokens: int | None = None
    ) -> None:
        self.engine, self.question, self.method = engine, question, method
        self.seed, self.rule = engine.settings.seed, method.rule
        self.members: dict[tuple[int, int], Member] = {}  # those that are done, by (t, i)
        self.usage = Usage()  # of all calls, recorded ones included
        self.estimated = Usage()  # of those whose server told none
        self.calls = self.copies = self.replies = 0
        loop = asyncio.get_running_loop()
        self.spent: asyncio.Future[None] = loop.create_future()  # done once the budget is reached
        self.stopped: asyncio.Future[int] = loop.create_future()  # the population that is enough by the method's rule
        self._budget, self._position = max_total_tokens, position
        self._given = engine.settings.scorer
        self._scorer = self._given or scorer_for(question.kind)
        self._recorded: dict[tuple[str, int, int], Member] = {}
        self._stated: dict[tuple[int, int], Member] = {}  # as in members, but with the answers that the replies state
        self._went_on: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self._tasks: list[asyncio.Task[Any]] = []
        self._scoring: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._unscorable: SelfaggError | None = None
        self._reopened = False

    async def load(self, *, before: int | None = None) -> None:
        """Read what the record has of this question; only candidates of populations before ``before`` if given."""
        self._recorded = {
            (role, t, i): member
            for (role, t, i), member in (await self.engine.record.load(self._position)).items()
            if before is None or (role == CANDIDATE and t < before)
        }
        deepest = max((t for role, t, _ in self._recorded if role == CANDIDATE), default=0)
        for t in range(1, deepest):
            self._went_on[t].set()
        if self.engine.as_recorded and 0 < deepest < self.method.t:
            self.stopped.set_result(deepest)

    @property
    def closes(self) -> bool:
        """Return True if something binds the answer's form, so that the answer of a group takes a closing call."""
        return self.engine.final_sampling is not None and self.engine.final_sampling.binds

    # -- members

    @functools.cached_property
    def member(self) -> Members:
        """Return the method's recursion for this question."""
        return self.method.members(self)

    async def population(self, t: int) -> list[Member]:
        """Return all members of a population."""
        return await asyncio.gather(*(self.member(t, i) for i in range(self.method.size(t))))

    def memoised(self, function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, asyncio.Future[T]]:
        """Return a function that starts one task for each distinct call of ``function``, and later only awaits it.

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
        """Return member ``i`` of population ``t``: from the record if it is there, else from the model.

        The prompt holds its parents. A ``role`` other than ``candidate`` is that of a call that makes no member of a
        population.

        Raises:
            SelfaggError: An earlier member could not be scored at all, so that further ones have no use.
        """
        if self._unscorable:
            raise self._unscorable
        recorded = self._taken(role, t, i, prompt.candidates)
        member = recorded or await self.engine.sample(
            self.question, self._position, t, i, prompt, method=self.method.name, role=role
        )
        await self._count(member, prompt)
        return await self._read(member, again=recorded is not None) if role == CANDIDATE else member

    async def copy(self, t: int, i: int, candidates: Sequence[Member]) -> Member:
        """Return the member at this address without a call: the first of its candidates, who agree, stands for all."""
        recorded = member = self._taken(CANDIDATE, t, i, candidates)
        if member is None:
            reply = candidates[0].reply
            assert reply is not None  # noqa: S101 - a candidate with an answer has a reply
            reply = replace(reply, usage=Usage(), tries=0, seconds=0.0)
            member = Member(t, i, tuple(candidate.i for candidate in candidates), reply)
            await self.engine.keep(Generation(self._position, member, started=time.time()))
        await self._count(member)
        return await self._read(member, again=recorded is not None)

    def _taken(self, role: str, t: int, i: int, candidates: Sequence[Member]) -> Member | None:
        """Take the member from the record; None where it has none, or one to be asked for again."""
        member = self._recorded.pop((role, t, i), None)
        if member is None or (member.error is not None and not self.engine.as_recorded):
            return None
        parents = tuple(candidate.i for candidate in candidates)
        if member.parents != parents:
            raise UsageError(
                f"question {self.question.id}: the record has member {i} of population {t} with parents "
                f"{list(member.parents)}, but this run draws {list(parents)}; it was made by another version"
            )
        self.engine.callback.generated(self._position, member, role, fresh=False)
        return member

    async def _count(self, member: Member, prompt: Prompt | None = None) -> None:
        if member.copied:
            self.copies += 1
            return
        self.calls += 1
        if member.reply:
            self.replies += 1
            self.usage += member.reply.usage
            if member.reply.usage.unknown and prompt:
                self.estimated += await self.engine.estimate(prompt, member.reply)
        spent = self._budget is not None and (self.usage + self.estimated).total >= self._budget
        if spent and not self.spent.done():
            self.spent.set_result(None)

    async def _read(self, member: Member, *, again: bool) -> Member:
        """Read the answer, begin to score it, and look whether it decides about its population."""
        answer = stated_answer(self.question, member.reply, self._given) if member.reply else None
        member, address = replace(member, answer=answer), (member.t, member.i)
        self.members[address] = self._stated[address] = member
        self._scoring[address] = asyncio.create_task(self._score(member, again=again))
        await self._decide(member.t)
        return member

    # -- the end of the question after a population

    async def _decide(self, t: int) -> None:
        """Decide whether the question goes on after population ``t``, if its members so far make that certain."""
        if self.rule is None or t == self.method.t or self.stopped.done() or self._went_on[t].is_set():
            return
        there = [member for address, member in sorted(self._stated.items()) if address[0] == t]
        size, missing = self.method.size(t), self.method.size(t) - len(there)
        extremes = ([len(there)], [1] * len(there))
        if all(self.rule.decided(size, groups, missing) is None for groups in extremes):
            return
        enough = self.rule.decided(size, await self.voters(there), missing)
        if enough and not self.stopped.done():
            self.stopped.set_result(t)
        elif enough is False:
            self._went_on[t].set()

    async def goes_on(self, t: int) -> None:
        """Wait until it is certain that population ``t`` is not enough; for ever where it is."""
        if self.rule is not None:
            await self._went_on[t].wait()

    async def agree(self, t: int, candidates: Sequence[Member]) -> bool:
        """Return True if the candidates of a member of population ``t`` all give one answer, so that it is a copy.

        It never is where the member is asked for in a form of its own.
        """
        final = self.engine.final_sampling
        if final is not None and final.binds and final.of(CANDIDATE, t) is not None:
            return False
        groups = await self.groups(candidates)
        group_of = {member.i: group[0].i for group in groups for member in group}
        return is_copied([group_of.get(candidate.i) for candidate in candidates])

    # -- scores and votes

    async def _score(self, member: Member, *, again: bool) -> None:
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
                await self.engine.record.save_weights(self._position, None)
            await self.engine.record.save_score(self._position, member, verdict.note)
        self.engine.callback.scored(self._position, member)

    async def scored(self) -> None:
        """Wait until every member that is done has its score."""
        await asyncio.gather(*self._scoring.values())

    async def groups(self, population: Sequence[Member]) -> list[list[Member]]:
        """Group members by equal answers, largest group first, ties by the earliest member; omit the answerless."""
        return await majority(self._scorer, self.question, population)

    async def voters(self, population: Sequence[Member]) -> list[int]:
        """Return the sizes of the groups of equal answers, in the order of their earliest members."""
        return [len(group) for group in sorted(await self.groups(population), key=lambda group: group[0].i)]

    async def group(self) -> None:
        """Record the groups of equal answers of each population."""
        for t in {t for t, _ in self.members}:
            population = [self.members[t, i] for i in range(self.method.size(t)) if (t, i) in self.members]
            await self.engine.record.save_groups(self._position, await self.groups(population))

    async def vote(self, population: Sequence[Member]) -> list[float]:
        """Return all weight on the earliest member of the largest group; equal weights where nobody has an answer."""
        groups = await self.groups(population)
        if not groups:
            return [1 / len(population)] * len(population)
        return [float(member.i == groups[0][0].i) for member in population]

    # -- the end

    async def stop(self) -> None:
        """End all sampling for this question; keep what is done."""
        await _ended(self._tasks)

    async def close(self) -> None:
        """End everything that still runs for this question."""
        await _ended([*self._tasks, *self._scoring.values()])


async def _ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
