"""What grows and what does not: memory with members in flight, time with members recorded, cost with questions.

The model is simulated and answers at once (or after a fixed time, where members are to be in flight). Every
measurement runs in a process of its own. ``python -m benchmarks.scale --members 1000000`` records a million.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from rich.table import Table

from benchmarks.printing import show
from selfagg.evaluation.analyze import Analysis
from selfagg.html_report.build import build_report
from selfagg.methods import RSA, Method
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.call_queue import CallQueue
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Member, Question, Reply, Request, Sampling

T = TypeVar("T")

MEMBERS = 100_000
IN_FLIGHT = 20_000
IN_FLIGHT_S = 15.0
IN_FLIGHT_BYTES = 20_000
"""Of a prompt whose call is in flight."""
REPLY = "And so the argument goes on for one more line of text. " * 18
"""What every recorded reply says before its answer: 1 kB."""
QUESTIONS = (10, 100, 1_000, 10_000)
SLOTS = 256


class Wordy(SimulatedModel):
    """A simulated model whose replies are as long as short real ones."""

    async def sample(self, request: Request) -> Reply:
        reply = await super().sample(request)
        return replace(reply, text=REPLY + reply.text)


def questions(count: int, size: int = 0) -> list[Question]:
    """So many different ones, padded to so many characters."""
    return [Question(f"q{i}", f"What is {i} plus 0? ".ljust(size), "math", gold=str(i)) for i in range(count)]


async def recorded(
    method: Method, asked: Sequence[Question], path: Path | None, callback: Callback | None = None
) -> None:
    """Evaluates with a model that answers at once, into this record."""
    model, settings = Wordy(Simulation(slots=SLOTS)), Settings(Sampling(max_tokens=10_000))
    with Record(path) as record:
        record.begin(configuration(method, model.name, settings, "bench"), asked)
        await evaluate(Engine(model, settings, record, callback=callback), method, asked)


def in_flight(members: int) -> dict[str, float]:
    """Peak memory with so many calls at once, each for long enough that all of them are there together."""
    method, settings = RSA(n=20, k=1, t=1), Settings(Sampling(max_tokens=10_000))
    model = SimulatedModel(Simulation(tokens=100, cv=0.0, speed=100 / IN_FLIGHT_S, slots=members))
    asked = questions(members // method.n, IN_FLIGHT_BYTES)

    async def run() -> int:
        with Record(None) as record:
            record.begin(configuration(method, model.name, settings, "bench"), asked)
            call_queue, most = CallQueue(members), 0
            work = asyncio.create_task(evaluate(Engine(model, settings, record, call_queue=call_queue), method, asked))
            while not work.done():
                most = max(most, call_queue.inside)
                await asyncio.sleep(0.1)
            await work
            return most

    return {"in flight": asyncio.run(run()), "peak GB": peak_gb()}


def record_many(path: Path, members: int) -> dict[str, float]:
    """Seconds to record so many members, and what they take on disk."""
    method = RSA()
    begun = time.perf_counter()
    asyncio.run(recorded(method, questions(members // method.calls), path))
    seconds = time.perf_counter() - begun
    size = path.stat().st_size
    return {"members/s": members / seconds, "bytes a member": size / members, "GB": size / 1e9, "peak GB": peak_gb()}


class FirstCall(Callback):
    """Notes when the first member came from the model rather than from the record."""

    at: float | None = None

    def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
        if fresh and self.at is None:
            self.at = time.perf_counter()


def resume(path: Path, members: int) -> dict[str, float]:
    """Seconds until a run of which one member is missing makes its first call."""
    method, first = RSA(), FirstCall()
    asked = questions(members // method.calls)
    with Record(path) as record, record.transaction() as database:
        database.execute("DELETE FROM generations WHERE question = 0 AND t = 10 AND i = 0")
        database.execute("UPDATE questions SET weights = NULL WHERE position = 0")
    begun = time.perf_counter()
    asyncio.run(recorded(method, asked, path, first))
    assert first.at is not None
    return {"seconds": first.at - begun, "peak GB": peak_gb()}


def analyse(path: Path) -> dict[str, float]:
    """Seconds for all that ``selfagg analyse`` tells."""
    begun = time.perf_counter()
    with Record(path, read_only=True) as record:
        json.dumps(Analysis.of(record).to_dict())
    return {"seconds": time.perf_counter() - begun, "peak GB": peak_gb()}


def report(path: Path) -> dict[str, float]:
    """Seconds for the report with every text in it."""
    out, begun = path.with_suffix(".html"), time.perf_counter()
    build_report([path], out)
    return {"seconds": time.perf_counter() - begun, "GB": out.stat().st_size / 1e9, "peak GB": peak_gb()}


def a_question(count: int) -> dict[str, float]:
    """CPU milliseconds a question, of so many in one run."""
    method, cpu = RSA(n=2, k=2, t=2), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(recorded(method, questions(count), Path(folder) / "record.sqlite"))
    return {"CPU ms a question": 1000 * (time.process_time() - cpu) / count, "peak GB": peak_gb()}


def peak_gb() -> float:
    """Most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def apart(measure: Callable[[], T]) -> T:
    """The measurement in a new process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure).result()


def main(members: int = MEMBERS) -> None:
    table = Table("measured", "", title="Scale, with a SIMULATED model", show_header=False)

    def row(name: str, measure: Callable[[], dict[str, float]]) -> None:
        found = apart(measure)
        table.add_row(name, ", ".join(f"{what} {number(value)}" for what, value in found.items()))

    row(f"{IN_FLIGHT:,} members in flight, prompts of {IN_FLIGHT_BYTES:,} bytes", partial(in_flight, IN_FLIGHT))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.sqlite"
        row(f"record {members:,} members (16/4/10)", partial(record_many, path, members))
        row("resume: until the first call", partial(resume, path, members))
        row("selfagg analyse", partial(analyse, path))
        row("selfagg report", partial(report, path))
    for count in QUESTIONS:
        row(f"{count:,} questions (2/2/2)", partial(a_question, count))
    show(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--members", type=int, default=MEMBERS, help="members recorded, in whole questions of 160")
    main(parser.parse_args().members)
