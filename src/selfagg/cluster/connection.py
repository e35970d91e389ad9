"""The connection to a Ray cluster, and the few things asked of it: workers, machines, waiting for an answer."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from selfagg.cluster.worker import Job, News, Worker
from selfagg.errors import SelfaggError, UsageError

T = TypeVar("T")

LOCAL = "local"
"""The address that starts a cluster on this machine for the time of the run."""

RESTARTS = 50
"""Most restarts of a worker by Ray before the worker is given up."""

REACH_S = 5.0
"""Longest wait for a cluster to take a connection: Ray itself waits for minutes, and not to be interrupted."""

PARALLEL = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
"""Settings of a ``vllm:`` model that multiply the GPUs it takes."""


class WorkerLost(Exception):
    """The process that was asked is no more, or out of reach."""


class Cluster:
    """A Ray cluster that this process is connected to.

    Attributes:
        workers: Number of workers that a run gets.
    """

    def __init__(self, ray: Any, workers: int, gpus: int) -> None:
        self.workers = workers
        self._ray = ray
        self._gpus = gpus

    def start_worker(self, job: Job) -> Any:
        """Start a worker somewhere; Ray starts it again whenever its process ends, and repeats no call by itself."""
        actor = self._ray.remote(Worker).options(
            num_cpus=1,
            num_gpus=self._gpus,
            max_restarts=RESTARTS,
            max_task_retries=0,
            max_concurrency=1_000_000,
            scheduling_strategy="SPREAD",
        )
        return actor.remote(job)

    def end_worker(self, worker: Any) -> None:
        """End a worker's process at once: the record is made for that."""
        self._ray.kill(worker, no_restart=True)

    async def answers(self, asked: Any) -> AsyncIterator[News]:
        """Yield the messages of a worker, piece by piece; raise as `answer` does."""
        pieces = aiter(asked)
        while (piece := await self.answer(anext(pieces, None))) is not None:
            yield await self.answer(piece)

    async def answer(self, asked: Awaitable[T]) -> T:
        """Return the answer of a worker.

        Raises:
            WorkerLost: Its process or its machine is no more.
            SelfaggError: The worker raised it.
        """
        errors = self._ray.exceptions
        try:
            return await asked
        except errors.RayTaskError as error:
            if isinstance(error.cause, SelfaggError):
                raise error.cause from None
            raise
        except errors.ActorDiedError as error:
            if "The actor died because of an error raised in its creation task" in str(error):
                raise UsageError(f"no Ray worker can start: {_last_line(error)}") from None
            raise WorkerLost(_last_line(error)) from None
        except (errors.RayActorError, errors.NodeDiedError, errors.TaskUnschedulableError) as error:
            raise WorkerLost(_last_line(error)) from None


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
    _knock(address)
    start = {"num_cpus": workers or 2, "include_dashboard": False} if address == LOCAL else {}
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
    return math.prod(int(settings.get(name, "1")) for name in PARALLEL if settings.get(name, "1").isdecimal())


def _knock(address: str) -> None:
    if "://" in address:
        raise UsageError(f"--ray {address}: not through Ray's client; start the command on a machine of the cluster")
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise UsageError(f"--ray {address}: nobody can be reached there ({why})") from None


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
