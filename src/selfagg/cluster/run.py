"""Split a run's questions over workers and put their results into the run's record, whatever dies in between.

Ray places, starts and restarts the workers. A question belongs to one worker at a time; what that one generates comes
at once and is merged in one transaction each. A worker that dies leaves nothing behind: another one is told what the
record holds, and goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from selfagg.cluster.connection import Cluster, WorkerLost
from selfagg.cluster.worker import Facts, Job
from selfagg.errors import RunStopped, UsageError
from selfagg.record.merge import Part, merge, part_of
from selfagg.record.record import Record
from selfagg.run.engine import Callback
from selfagg.run.runner import finished_questions, first_error_only, questions_at_once
from selfagg.types import Question

DEATHS_IN_A_ROW = 5
"""The number of workers' deaths, with no new generation between them, that ends the run: it is not chance."""


@dataclass(slots=True, eq=False)
class Hand:
    """A worker as this side sees it.

    Attributes:
        actor: The actor to call.
        facts: The facts that it told; None while it does not run.
        obstacle: Reason for which it makes no call now.
        gone: True if it cannot get at a model any more.
    """

    actor: Any
    facts: Facts | None = None
    obstacle: str | None = None
    gone: bool = False


class RunSplit:
    """A run split over the workers of a cluster; they end with the ``async with`` block."""

    def __init__(
        self, cluster: Cluster, job: Job, questions: Sequence[Question], callback: Callback, tell: Callable[[str], None]
    ) -> None:
        """Prepare a run; nothing is started before entering.

        Args:
            cluster: The place in which it runs.
            job: The job. The concurrency of its access is all workers' together; None: each worker's own is what
                its connection serves well.
            questions: In the record's order.
            callback: Told of all that is generated anywhere.
            tell: Told in words of deaths.
        """
        most = job.access.concurrency
        self._count = min(cluster.workers, most or cluster.workers, max(1, len(questions)))
        if most is not None:
            job = replace(job, access=replace(job.access, concurrency=most // self._count))
        self._cluster = cluster
        self._job = job
        self._questions = questions
        self._watcher = callback
        self._tell = tell
        self._hands: list[Hand] = []
        self._deaths = 0
        self._left: set[int] = set()
        self._begun: set[int] = set()
        self._waiting: asyncio.PriorityQueue[int] = asyncio.PriorityQueue()
        self._finished = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._hands = [Hand(self._cluster.start_worker(self._job)) for _ in range(self._count)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hand in self._hands:
            self._cluster.end_worker(hand.actor)

    async def first(self) -> Facts:
        """Wait until one worker has opened the model, and return what that worker knows.

        Raises:
            UsageError: It cannot be opened.
        """
        opening = [asyncio.ensure_future(self._ready(hand)) for hand in self._hands]
        try:
            done, _ = await asyncio.wait(opening, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        except WorkerLost as lost:
            raise RunStopped(f"no Ray worker stays alive until it has opened the model ({lost})") from None
        finally:
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)

    async def evaluate(self, record: Record) -> None:
        """Compute and score every member for every question, into a record that has begun.

        Raises:
            RunStopped: The model is gone for every worker, or workers do nothing but die.
            UsageError: A question does not fit the model's context (found before the first call).
        """
        self._record = record
        self._left = set(range(len(self._questions))) - finished_questions(record)
        for position in self._left:
            self._waiting.put_nowait(position)
        if self._left:
            opened = next(hand for hand in self._hands if hand.facts)
            await self._ready(opened, [replace(self._questions[place], data={}) for place in sorted(self._left)])
            await first_error_only(self._everything())

    async def _everything(self) -> None:
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(self._serve(hand)) for hand in self._hands]
            await self._finished.wait()
            for task in serving:
                task.cancel()

    async def _serve(self, hand: Hand) -> None:
        """Keep one worker busy: as many questions at a time as it takes to fill its calls."""
        facts = await self._opened(hand)
        if facts is not None:
            async with asyncio.TaskGroup() as group:
                for _ in range(questions_at_once(facts.concurrency, self._job.method.n)):
                    group.create_task(self._seat(hand))

    async def _seat(self, hand: Hand) -> None:
        """Hand one question after the other to a worker."""
        while not hand.gone:
            facts = hand.facts or await self._opened(hand)
            position = await self._waiting.get()
            if facts is None or hand.facts is not facts:  # dead by now, and not back yet: others may have the question
                self._waiting.put_nowait(position)
                continue
            try:
                await self._answer(hand, position)
            except WorkerLost:
                self._died(hand, facts)
            except RunStopped as gone:
                self._without(hand, gone)
            if self._record.weights(position) is None:
                self._waiting.put_nowait(position)
                continue
            self._left.discard(position)
            self._watcher.finished(position)
            if not self._left:
                self._finished.set()

    async def _answer(self, hand: Hand, position: int) -> None:
        if self._record.weights(position) is not None:  # calls that failed in an earlier session are made again
            await self._record.save_weights(position, None)
        known = part_of(self._record, position)
        if position not in self._begun:
            self._begun.add(position)
            self._announce(known, fresh=False)
        async for news in self._cluster.answers(hand.actor.answer.remote(known)):
            new = merge(self._record, news.part)
            if new.generations:
                self._deaths = 0
            self._announce(new, fresh=True)
            hand.obstacle = news.obstacle
            obstacles = [other.obstacle for other in self._hands if other.facts and not other.gone]
            self._watcher.waiting(obstacles[0] if all(obstacles) else None)

    async def _ready(self, hand: Hand, questions: Sequence[Question] = ()) -> Facts:
        asked = hand.actor.ready.options(max_task_retries=-1).remote(questions)
        facts: Facts = await self._cluster.answer(asked)
        hand.facts = facts
        return facts

    async def _opened(self, hand: Hand) -> Facts | None:
        """Wait for a worker as `_ready` does, but go on without one that cannot open the model or keeps dying."""
        try:
            return await self._ready(hand)
        except (UsageError, WorkerLost) as error:
            self._without(hand, RunStopped(str(error)))
            return None

    def _died(self, hand: Hand, facts: Facts) -> None:
        if hand.facts is not facts:  # told already: each of its questions finds out
            return
        hand.facts = None
        self._deaths += 1
        where = f"on {facts.machine} (process {facts.process})"
        if self._deaths >= DEATHS_IN_A_ROW:
            raise RunStopped(f"{self._deaths} Ray workers died in a row, the last one {where}, and nothing came of it")
        self._tell(f"the worker {where} died; Ray starts another one in its place")

    def _without(self, hand: Hand, why: RunStopped) -> None:
        """Go on without a worker whose model is gone, while another has one."""
        if not hand.gone:
            hand.gone = True
            if why.fatal or not any(other.facts and not other.gone for other in self._hands):
                raise why
            self._tell(f"going on without one of {len(self._hands)} workers: {why}")

    def _announce(self, part: Part, *, fresh: bool) -> None:
        for role, member in part.members():
            self._watcher.generated(part.position, member, role, fresh=fresh)
        for member in part.scored():
            self._watcher.scored(part.position, member)
