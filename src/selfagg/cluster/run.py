"""Splits a run's questions over workers and puts what they send into the run's record, whatever dies in between.

Ray places, starts and restarts the workers. A question belongs to one worker at a time; what that one has generated
comes every `NEWS_EVERY_S` seconds and at the question's end, and is merged in one transaction each. A worker's own
record holds what did not come any more: when one dies, and when a run is continued, all machines are asked for such.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from selfagg.cluster.connection import Cluster, WorkerLost
from selfagg.cluster.folder import forget, leftovers
from selfagg.cluster.job import Gone, Job, News, WorkerInfo
from selfagg.errors import RunStopped, UsageError
from selfagg.record.merge import Part, merge, part_of
from selfagg.record.record import Record
from selfagg.run.engine import Callback
from selfagg.run.runner import finished_questions, first_error_only, questions_at_once
from selfagg.types import Question

NEWS_EVERY_S = 2.0
"""Seconds of work that a machine takes with it when it dies with its disk."""

DEATHS_IN_A_ROW = 5
"""So many deaths of workers with no new generation between them: it is not chance."""

OLD_WORKERS_S = 60.0
"""Longest wait for the workers of a run that was killed: Ray ends them when it notices."""

ENDING_S = 10.0
"""Longest wait for the own workers at the end."""

ROOM_S = 30.0
"""Wait for a first worker after which the user is told."""


@dataclass(slots=True, eq=False)
class Hand:
    """A worker as this side sees it.

    Attributes:
        actor: How to call it.
        facts: What it told of itself; None while it does not run.
        life: How often it has died.
        news: The last that came from it, without what it said.
        gone: Why it is of no use any more.
        recovery: Under way after it died.
    """

    actor: Any
    facts: WorkerInfo | None = None
    life: int = 0
    news: News = field(default_factory=News)
    gone: Gone | None = None
    recovery: asyncio.Task[None] | None = None


class RunSplit:
    """A run split over the workers of a cluster; they end with the ``async with`` block."""

    def __init__(
        self, cluster: Cluster, job: Job, questions: Sequence[Question], callback: Callback, tell: Callable[[str], None]
    ) -> None:
        """Names the run; nothing is started before entering.

        Args:
            cluster: Where it runs.
            job: What it is. The concurrency of its access is all workers' together; None: each worker's own is what
                its connection serves well.
            questions: In the record's order.
            callback: Told of all that is generated anywhere.
            tell: Told in words of deaths and waits.
        """
        most = job.access.concurrency
        count = min(cluster.workers, most or cluster.workers, max(1, len(questions)))
        if most is not None:
            job = replace(job, access=replace(job.access, concurrency=most // count))
        self._cluster = cluster
        self._job = job
        self._count = count
        self._questions = questions
        self._watcher = callback
        self._tell = tell
        self._hands: list[Hand] = []
        self._run = ""
        self._deaths = 0
        self._left: set[int] = set()
        self._begun: set[int] = set()
        self._owner: dict[int, Hand] = {}
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

    async def first(self) -> WorkerInfo:
        """Waits until one worker has opened the model.

        Raises:
            UsageError: It cannot be opened.
        """
        opening = [asyncio.ensure_future(self._ready(hand)) for hand in self._hands]
        try:
            done, _ = await asyncio.wait(opening, timeout=ROOM_S, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                self._tell("no worker runs yet: the cluster is full, or a model takes its time to open")
                done, _ = await asyncio.wait(opening, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        except WorkerLost as lost:
            raise RunStopped(f"no Ray worker stays alive until it has opened the model ({lost})") from None
        finally:
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)

    async def evaluate(self, record: Record) -> None:
        """Computes and scores every member for every question, into a record that has begun.

        Raises:
            RunStopped: The model is gone for every worker, or workers do nothing but die.
            UsageError: A question does not fit the model's context (found before the first call), or workers of an
                earlier session still run.
        """
        self._record = record
        self._run = _own_name(record)
        if await self._gather(OLD_WORKERS_S):
            raise UsageError(f"workers of an earlier session of {record.path} still run; try again in a minute")
        done = finished_questions(record)
        self._left = set(range(len(self._questions))) - done
        for position in self._left:
            self._waiting.put_nowait(position)
        if not self._left:
            return
        try:
            await self._check()
            await first_error_only(self._everything())
        finally:
            await self._wind_up()

    async def _check(self) -> None:
        hand = next(hand for hand in self._hands if hand.facts)
        asked = [replace(self._questions[position], data={}) for position in sorted(self._left)]
        await self._cluster.answer(hand.actor.check.options(max_task_retries=-1).remote(asked))

    async def _everything(self) -> None:
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(self._serve(hand)) for hand in self._hands]
            await self._finished.wait()
            for task in serving:
                task.cancel()

    async def _serve(self, hand: Hand) -> None:
        """Keeps one worker busy: as many questions at a time as it takes to fill its calls."""
        facts = await self._opened(hand)
        if facts is None:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(hand))
            for _ in range(questions_at_once(facts.concurrency, self._job.method.n)):
                group.create_task(self._seat(hand))

    async def _ready(self, hand: Hand) -> WorkerInfo:
        facts: WorkerInfo = await self._cluster.answer(hand.actor.ready.options(max_task_retries=-1).remote())
        hand.facts = facts
        return facts

    async def _opened(self, hand: Hand) -> WorkerInfo | None:
        """As `_ready`, but a worker that cannot open the model or keeps dying is one to go on without."""
        try:
            return await self._ready(hand)
        except (UsageError, WorkerLost) as error:
            self._without(hand, Gone(str(error), fatal=False))
            return None

    async def _seat(self, hand: Hand) -> None:
        """Hands one question after the other to a worker."""
        while hand.gone is None:
            position = await self._waiting.get()
            if hand.facts is None:  # dead, and not back yet: others may have the question
                self._give_back(position)
                await self._opened(hand)
                continue
            self._owner[position], life = hand, hand.life
            try:
                outcome = await self._cluster.answer(hand.actor.answer.remote(self._run, self._known(position)))
            except WorkerLost:
                await self._recovered(hand, life)
                self._give_back(position)
                continue
            if isinstance(outcome, Gone):
                self._give_back(position)
                self._without(hand, outcome)
            else:
                self._take(outcome)

    def _known(self, position: int) -> Part:
        known = part_of(self._record, position)
        if position not in self._begun:
            self._begun.add(position)
            self._announce(known, fresh=False)
        return known

    def _take(self, answer: Part) -> None:
        self._merge(answer)
        if self._record.weights(answer.position) is None:  # another's work came in between: once more, from there
            self._give_back(answer.position)
            return
        del self._owner[answer.position]
        self._left.discard(answer.position)
        self._watcher.finished(answer.position)
        if not self._left:
            self._finished.set()

    def _give_back(self, position: int) -> None:
        self._owner.pop(position, None)
        self._waiting.put_nowait(position)

    def _without(self, hand: Hand, gone: Gone) -> None:
        """Goes on without a worker whose model is gone, while another has one."""
        if hand.gone is None:
            hand.gone = gone
            if gone.fatal or not any(other.facts and not other.gone for other in self._hands):
                raise RunStopped(gone.why, fatal=gone.fatal)
            self._tell(f"going on without one of {len(self._hands)} workers: {gone.why}")

    async def _listen(self, hand: Hand) -> None:
        """Takes over what a worker has generated while its questions are not done."""
        while hand.gone is None:
            await asyncio.sleep(NEWS_EVERY_S)
            try:
                news = await self._cluster.answer(hand.actor.news.remote(hand.news))
            except WorkerLost:
                continue
            hand.news = replace(news, parts=())
            for part in news.parts:
                if self._owner.get(part.position) is hand:
                    self._merge(part)
            obstacles = [other.news.obstacle for other in self._hands if other.facts and not other.gone]
            self._watcher.waiting(obstacles[0] if all(obstacles) else None)

    # -- deaths

    async def _recovered(self, hand: Hand, life: int) -> None:
        """Waits until what a dead worker has left is here; the same for all questions that it had."""
        if hand.recovery is None and hand.life == life:
            hand.recovery = asyncio.create_task(self._recover(hand))
        if hand.recovery is not None:
            await asyncio.shield(hand.recovery)

    async def _recover(self, hand: Hand) -> None:
        where = f"on {hand.facts.machine} (process {hand.facts.process})" if hand.facts else "that had just started"
        hand.facts = None
        self._deaths += 1
        if self._deaths >= DEATHS_IN_A_ROW:
            raise RunStopped(f"{self._deaths} Ray workers died in a row, the last one {where}, and nothing came of it")
        self._tell(f"the worker {where} died; Ray starts another one in its place")
        await self._gather()
        hand.life += 1
        hand.recovery = None

    async def _gather(self, patience_s: float = 0.0) -> int:
        """Merges what ended workers have left on all machines.

        Args:
            patience_s: Longest wait for workers that are about to end.

        Returns:
            How many still run.
        """
        last = time.monotonic() + patience_s
        while True:
            at_work = {position for position, hand in self._owner.items() if hand.recovery is None}
            done = finished_questions(self._record) | at_work
            busy, files = 0, []
            for asked in self._cluster.on_every_machine(leftovers, self._run, done):
                found = await self._or_nothing(asked)
                if found is not None:
                    busy += found.busy
                    files += found.files
                    for part in found.parts:
                        owner = self._owner.get(part.position)
                        if owner is None or owner.recovery is not None:
                            self._merge(part)
            if files:
                for forgotten in self._cluster.on_every_machine(forget, files):
                    await self._or_nothing(forgotten)
            if not busy or time.monotonic() >= last:
                return busy
            await asyncio.sleep(0.5)

    async def _or_nothing(self, asked: Any) -> Any:
        try:
            return await self._cluster.answer(asked)
        except WorkerLost:
            return None

    async def _wind_up(self) -> None:
        """Ends the workers and takes over the last that they have done."""
        for hand in self._hands:
            self._cluster.end_worker(hand.actor)
        self._owner.clear()
        await self._gather(ENDING_S)

    # -- what comes in

    def _merge(self, part: Part) -> None:
        new = merge(self._record, part)
        if new.generations:
            self._deaths = 0
        self._announce(new, fresh=True)

    def _announce(self, part: Part, *, fresh: bool) -> None:
        for role, member in part.members():
            self._watcher.generated(part.position, member, role, fresh=fresh)
        for member in part.scored():
            self._watcher.scored(part.position, member)


def _own_name(record: Record) -> str:
    """A name that no other run has, the same in every session of this one."""
    ((started,),) = record.query("SELECT started FROM sessions ORDER BY id LIMIT 1")
    text = json.dumps([started, record.configuration], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
