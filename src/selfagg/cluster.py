"""One run on a Ray cluster: Ray places, starts and restarts the workers; here its questions are split over them.

A question belongs to one worker at a time; what that one generates comes at once and is merged in one transaction
each. A worker that dies leaves nothing behind: another one is told what the record holds, and goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import platform
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Self

from selfagg import __version__
from selfagg.errors import RunStopped, SelfaggError, UsageError
from selfagg.methods.base import Method
from selfagg.models import Access, connect
from selfagg.prompts import first
from selfagg.record.configuration import configuration
from selfagg.record.merge import Cursor, Part, forget, merge, news_of, part_of, put
from selfagg.record.record import Record
from selfagg.record.rows import question_of
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.runner import Schedule, evaluate_question, finished_questions, first_error_only, questions_at_once
from selfagg.types import Question

NEWS_EVERY_S = 0.2
"""Seconds of finished calls that a worker takes with it when it dies."""

RESTARTS = 50
"""Most restarts of a worker by Ray before the worker is given up."""

REACH_S = 5.0
"""Longest wait for a cluster to take a connection: Ray itself waits for minutes, and not to be interrupted."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run, without its questions; addresses and relative paths are looked up where the worker runs."""

    model: str
    access: Access
    method: Method
    settings: Settings
    source: str
    schedule: Schedule = "free"
    version: str = __version__
    folder: str = "."
    programs: bool = False
    sandbox: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that a worker knows once its model is open; ``concurrency`` are the calls that it makes at once."""

    model: str
    context: int | None
    concurrency: int
    process: int
    machine: str


class Worker(Callback):
    """An actor that answers questions until its process ends; a new process begins anew and gets what is known.

    A Ray actor, but nothing here knows of Ray: its methods are called from elsewhere, many at a time.
    """

    def __init__(self, job: Job) -> None:
        if job.version != __version__:
            raise UsageError(f"selfagg {job.version} started this run, but {platform.node()} has {__version__}")
        with suppress(OSError):
            os.chdir(job.folder)
        self._job = job
        self._record = Record(None)
        self._engine: Engine | None = None
        self._opening = asyncio.Lock()
        self._obstacle: str | None = None
        self._at_work: dict[int, asyncio.Task[Part]] = {}

    def waiting(self, why: str | None) -> None:
        self._obstacle = why

    async def ready(self, questions: Sequence[Question] = ()) -> Facts:
        """Open the model, and look if questions fit its context.

        Raises:
            UsageError: There is no such model, it cannot be reached from here, or a question does not fit.
        """
        engine = await self._opened()
        model = engine.model
        for question in questions:
            await engine.fit(first(question), model.context)
        return Facts(model.name, model.context, model.concurrency, os.getpid(), platform.node())

    async def _opened(self) -> Engine:
        async with self._opening:
            job = self._job
            if self._engine is None:
                if job.programs:
                    from selfagg.scoring.code import use_sandbox

                    use_sandbox(job.sandbox)
                model = await connect(job.model, job.access).__aenter__()  # closed with the process
                self._record.begin(configuration(job.method, model.name, job.settings, job.source), [])
                self._engine = Engine(model, job.settings, self._record, callback=self)
            return self._engine

    async def answer(self, known: Part) -> AsyncIterator[tuple[Part, str | None]]:
        """Compute and score every member for a question, given what there is of it already; send each soon after.

        Asked again for a question at work, since the caller lost sight of this process, it works once and sends all.

        Yields:
            New rows, and the reason for which no call is made now; in the end all rows, with weights.

        Raises:
            RunStopped: The model is gone.
        """
        engine, position, read = await self._opened(), known.position, Cursor()
        if position not in self._at_work:
            self._at_work[position] = asyncio.create_task(self._whole(engine, known))
        work = self._at_work[position]
        while not work.done():
            await asyncio.wait({work}, timeout=NEWS_EVERY_S)
            part, read = await self._record.in_turn(news_of, self._record, position, read)
            yield part, self._obstacle
        self._at_work.pop(position, None)
        yield work.result(), None

    async def _whole(self, engine: Engine, known: Part) -> Part:
        record, position, job = self._record, known.position, self._job
        await record.in_turn(put, record, known)
        await evaluate_question(engine, job.method, question_of(known.body), position, schedule=job.schedule)
        whole = await record.in_turn(part_of, record, position)
        await record.in_turn(forget, record, position)
        return replace(whole, body="")


class WorkerLost(Exception):
    """The process that was asked is no more, or out of reach."""


class Cluster(NamedTuple):
    """A Ray cluster that this process is connected to, the workers that a run gets there, and the GPUs of each."""

    ray: Any
    workers: int
    gpus: int


@contextmanager
def connected(address: str, model: str, workers: int | None) -> Iterator[Cluster]:
    """Connect to a cluster, or start one, for the length of the ``with`` block.

    Args:
        address: ``local``: one on this machine, started now and ended with the block. ``auto`` or ``HOST:PORT``: one
            that runs and that this machine belongs to.
        model: Name of the model that the workers will open.
        workers: Number of workers; None: as many as the GPUs serve if workers hold the model, else one a machine, at
            least two.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a run tells nobody about itself
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise UsageError(f"--ray needs Ray ({error}): pip install 'selfagg[ray]'") from None
    if "://" in address:
        raise UsageError(f"--ray {address}: not through Ray's client; start the command on a machine of the cluster")
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise UsageError(f"--ray {address}: nobody can be reached there ({why})") from None
    start = {"num_cpus": workers or 2, "include_dashboard": False} if address == "local" else {}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR, **start)
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"--ray {address}: no Ray cluster there ({_last_line(error)})") from None
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray's would end the process in the middle of a write
    try:
        there = int(ray.cluster_resources().get("GPU", 0))
        gpus = gpus_of(model) if there else 0
        machines = sum(bool(node["Alive"]) for node in ray.nodes())
        yield Cluster(ray, workers or (max(1, there // gpus) if gpus else max(2, machines)), gpus)
    finally:
        ray.shutdown()


def gpus_of(model: str) -> int:
    """Return the GPUs that a worker needs to open this model; 0 for a model that a server runs."""
    kind, _, rest = model.partition(":")
    if kind != "vllm":
        return int(kind == "hf" or Path(model).is_dir())
    settings = dict(part.replace("-", "_").partition("=")[::2] for part in rest.split(",")[1:])
    sizes = [settings.get(f"{name}_parallel_size", "1") for name in ("tensor", "pipeline", "data")]
    return math.prod(int(size) for size in sizes if size.isdecimal())


@dataclass(slots=True, eq=False)
class _Hand:
    """A worker as this side sees it: without facts while it does not run, gone if it cannot get at a model any more."""

    actor: Any
    facts: Facts | None = None
    obstacle: str | None = None
    gone: bool = False


class RunSplit:
    """A run split over the workers of a cluster; they end with the ``async with`` block."""

    def __init__(
        self, cluster: Cluster, job: Job, questions: Sequence[Question], callback: Callback, tell: Callable[[str], None]
    ) -> None:
        """Prepare a run of questions in the record's order; nothing is started before entering.

        The concurrency of the job's access is all workers' together; None: each worker's own is what its connection
        serves well. ``tell`` is told in words of deaths.
        """
        most = job.access.concurrency
        self._count = min(cluster.workers, most or cluster.workers, max(1, len(questions)))
        if most is not None:
            job = replace(job, access=replace(job.access, concurrency=most // self._count))
        self._cluster, self._job, self._questions, self._watcher, self._tell = cluster, job, questions, callback, tell
        self._hands: list[_Hand] = []
        self._begun: set[int] = set()
        self._waiting: asyncio.PriorityQueue[int] = asyncio.PriorityQueue()

    async def __aenter__(self) -> Self:
        # Ray starts a worker again whenever its process ends, and repeats no call by itself.
        actor = self._cluster.ray.remote(Worker).options(
            num_cpus=1,
            num_gpus=self._cluster.gpus,
            max_restarts=RESTARTS,
            max_task_retries=0,
            max_concurrency=1_000_000,
            scheduling_strategy="SPREAD",
        )
        self._hands = [_Hand(actor.remote(self._job)) for _ in range(self._count)]
        return self

    async def __aexit__(self, *error: object) -> None:
        for hand in self._hands:
            self._cluster.ray.kill(hand.actor, no_restart=True)  # at once: the record is made for that

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
            RunStopped: The model is gone for every worker, or all have died too often.
            UsageError: A question does not fit the model's context (found before the first call).
        """
        self._record = record
        left = sorted(set(range(len(self._questions))) - finished_questions(record))
        for position in left:
            self._waiting.put_nowait(position)
        if left:
            opened = next(hand for hand in self._hands if hand.facts)
            await self._ready(opened, [replace(self._questions[place], data={}) for place in left])
            await first_error_only(self._everything())

    async def _everything(self) -> None:
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(self._serve(hand)) for hand in self._hands]
            await self._waiting.join()
            for task in serving:
                task.cancel()

    async def _serve(self, hand: _Hand) -> None:
        """Keep one worker busy: as many questions at a time as it takes to fill its calls."""
        if facts := await self._opened(hand):
            async with asyncio.TaskGroup() as group:
                for _ in range(questions_at_once(facts.concurrency, self._job.method.n)):
                    group.create_task(self._seat(hand))

    async def _seat(self, hand: _Hand) -> None:
        """Hand one question after the other to a worker."""
        while not hand.gone and (facts := hand.facts or await self._opened(hand)):
            position = await self._waiting.get()
            try:
                if hand.facts is facts:  # else dead by now, and not back yet: others may have the question
                    await self._answer(hand, position)
            except WorkerLost:
                if hand.facts is facts:  # the first of its questions to find out
                    hand.facts = None
                    where = f"on {facts.machine} (process {facts.process})"
                    self._tell(f"the worker {where} died; Ray starts another one in its place")
            except RunStopped as gone:
                self._without(hand, gone)
            if self._record.weights(position) is None:
                self._waiting.put_nowait(position)
            else:
                self._watcher.finished(position)
            self._waiting.task_done()

    async def _answer(self, hand: _Hand, position: int) -> None:
        record = self._record
        if record.weights(position) is not None:  # calls that failed in an earlier session are made again
            await record.save_weights(position, None)
        known = part_of(record, position)
        if position not in self._begun:
            self._begun.add(position)
            self._announce(known, fresh=False)
        with self._rays_errors():
            async for piece in hand.actor.answer.remote(known):
                part, hand.obstacle = await piece
                new = merge(record, part)
                self._announce(new, fresh=True)
                obstacles = [other.obstacle for other in self._hands if other.facts and not other.gone]
                self._watcher.waiting(obstacles[0] if all(obstacles) else None)

    async def _ready(self, hand: _Hand, questions: Sequence[Question] = ()) -> Facts:
        with self._rays_errors():
            facts: Facts = await hand.actor.ready.options(max_task_retries=-1).remote(questions)
        hand.facts = facts
        return facts

    async def _opened(self, hand: _Hand) -> Facts | None:
        """Wait for a worker as `_ready` does, but go on without one that cannot open the model or keeps dying."""
        try:
            return await self._ready(hand)
        except (UsageError, WorkerLost) as error:
            self._without(hand, RunStopped(str(error)))
            return None

    @contextmanager
    def _rays_errors(self) -> Iterator[None]:
        """Raise `WorkerLost` where a worker's process or machine is no more, and a worker's own errors as they are."""
        errors = self._cluster.ray.exceptions
        try:
            yield
        except errors.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, SelfaggError) else error) from None
        except (errors.RayActorError, errors.NodeDiedError, errors.TaskUnschedulableError) as error:
            if "The actor died because of an error raised in its creation task" in str(error):
                raise UsageError(f"no Ray worker can start: {_last_line(error)}") from None
            raise WorkerLost(_last_line(error)) from None

    def _without(self, hand: _Hand, why: RunStopped) -> None:
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


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
