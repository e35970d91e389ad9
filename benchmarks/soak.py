"""Half an hour of evaluation and of serving against a server that fails every tenth time: is memory flat, are files?

``python -m benchmarks.soak eval|serve [--minutes 30] [--rate 0.1] [--seed 1]`` samples the process at work, and prints
its resident memory and open files over time and the slope of the second half. The server is a fake of the OpenAI API in
a process of its own: no model is behind it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from rich.table import Table

from benchmarks.printing import show
from selfagg.methods import RSA
from selfagg.models.openai import OpenAIModel
from selfagg.models.pace import RetryPolicy
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Member, Question

SAMPLES = 60
CLIENTS = 16
METHOD = RSA(n=8, k=4, t=3)
KINDS = "429,500,503,reset,hang,half a reply,malformed JSON,empty content,null content,wrong model,context error"
"""No endless replies: what is read of each, 64 MiB, would hide a slope."""

FAULTY_SERVER = Path(__file__).parent.parent / "tests" / "servers" / "openai_faults.py"


@dataclass
class Trace:
    """What a process holds over time.

    Attributes:
        seconds: Since the work began, one a sample.
        mebibytes: Resident memory.
        files: Open files, sockets included.
        calls: What was done by then: generations, or answered requests.
    """

    seconds: list[float] = field(default_factory=list)
    mebibytes: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)

    def add(self, process: int, seconds: float, calls: int) -> None:
        """Takes a sample of a process."""
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        self.seconds.append(seconds)
        self.mebibytes.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        self.files.append(len(os.listdir(f"/proc/{process}/fd")))  # noqa: PTH208
        self.calls.append(calls)

    def slope(self, values: Sequence[float]) -> float:
        """Growth an hour over the second half, by least squares: the first half warms caches and pools up."""
        half = len(values) // 2
        x, y = self.seconds[half:], values[half:]
        mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
        spread = sum((a - mean_x) ** 2 for a in x)
        return 3600 * sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread

    def growth(self, values: Sequence[float]) -> float:
        """The highest of the last quarter above the highest of the second: what is flat has its peaks in both."""
        quarter = len(values) // 4
        return max(values[-quarter:]) - max(values[quarter : 2 * quarter])


async def soak_eval(url: str, seconds: float, folder: Path, seed: int) -> Trace:
    """An evaluation in this process; a new one whenever it is through its questions."""
    trace, counted = Trace(), _Counted()
    questions = [Question(f"q{i}", f"Question {i}: " + "what? " * 200, gold="four") for i in range(20_000)]

    async def work() -> None:
        retries = RetryPolicy(tries=3, first_s=0.05, longest_s=0.2)
        async with OpenAIModel("fake", base_urls=[url], timeout_s=2.0, retries=retries) as model:
            for round_ in range(10**6):
                settings = Settings(seed=seed + round_)
                with Record(folder / f"{round_}.sqlite") as record:
                    record.begin(configuration(METHOD, model.name, settings, "soak"), questions)
                    engine = Engine(model, settings, record, concurrency=64, callback=counted)
                    await evaluate(engine, METHOD, questions)

    await _watched(work(), trace, os.getpid(), seconds, lambda: counted.generations)
    return trace


class _Counted(Callback):
    generations = 0

    def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
        self.generations += 1


async def soak_serve(url: str, seconds: float, folder: Path, seed: int) -> Trace:
    """``selfagg serve`` in a process of its own, with clients that stream, do not, ask plainly, and leave."""
    trace, answered = Trace(), [0]
    command = ["serve", "--model", "openai:fake", "--base-url", url, "--port", "0", "--timeout", "2"]
    async with _serving([*command, "--record", str(folder / "served.sqlite")]) as (process, address):

        async def client(chance: random.Random, session: aiohttp.ClientSession) -> None:
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    await _request(session, f"{address}/v1/chat/completions", chance)
                    answered[0] += 1

        async def work() -> None:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session:
                await asyncio.gather(*(client(random.Random(seed * 1000 + i), session) for i in range(CLIENTS)))

        await _watched(work(), trace, process, seconds, lambda: answered[0])
    return trace


async def _request(session: aiohttp.ClientSession, url: str, chance: random.Random) -> None:
    body = {
        "model": "fake",
        "messages": [{"role": "user", "content": "what? " * chance.randrange(1, 2000)}],
        "stream": chance.random() < 0.5,
        "rsa": False if chance.random() < 0.3 else {"n": 4, "k": 2, "t": 2},
    }
    limit = 0.02 if chance.random() < 0.1 else None  # leaves before the answer
    async with asyncio.timeout(limit), session.post(url, json=body) as response:
        await response.read()


async def _watched(
    work: Coroutine[Any, Any, None], trace: Trace, process: int, seconds: float, calls: Callable[[], int]
) -> None:
    """Does the work for so long and takes samples of a process; work that fails raises what it failed of."""
    task, begun = asyncio.ensure_future(work), time.monotonic()
    try:
        for sample in range(1, SAMPLES + 1):
            await asyncio.wait({task}, timeout=max(0.0, begun + sample * seconds / SAMPLES - time.monotonic()))
            if task.done():
                task.result()
            trace.add(process, time.monotonic() - begun, calls())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _serving(arguments: Sequence[str]) -> AsyncIterator[tuple[int, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "selfagg", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    try:
        address = ""
        while not address.startswith("http"):
            told = (await process.stderr.readline()).decode()
            assert told, "selfagg serve did not start"
            address = next((word.rstrip("/.,") for word in told.split() if word.startswith("http")), "")
        drained = asyncio.ensure_future(process.stderr.read())
        yield process.pid, address.removesuffix("/v1")
        drained.cancel()
    finally:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 10)
        if process.returncode is None:
            process.kill()


@contextmanager
def faulty_server(rate: float, seed: int) -> Iterator[str]:
    """A fake server in a process of its own; its base URL."""
    process = subprocess.Popen(
        [sys.executable, str(FAULTY_SERVER), str(rate), str(seed), *KINDS.split(",")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def soak(what: str, seconds: float, *, rate: float = 0.1, seed: int = 1) -> Trace:
    """Soaks ``eval`` or ``serve`` for so long."""
    work = {"eval": soak_eval, "serve": soak_serve}[what]
    with faulty_server(rate, seed) as url, TemporaryDirectory() as folder:
        return asyncio.run(work(url, seconds, Path(folder), seed))


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("what", choices=("eval", "serve"))
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=0.1, help="share of calls that the server fails")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    trace = soak(given.what, 60 * given.minutes, rate=given.rate, seed=given.seed)
    table = Table("minutes", "calls", "memory (MiB)", "open files", title=f"{given.what}, faults on {given.rate:.0%}")
    for row in range(SAMPLES // 10 - 1, SAMPLES, SAMPLES // 10):
        seconds, calls, memory, files = trace.seconds[row], trace.calls[row], trace.mebibytes[row], trace.files[row]
        table.add_row(f"{seconds / 60:.1f}", f"{calls:,}", f"{memory:.0f}", f"{files}")
    show(table)
    print(f"second half: {trace.slope(trace.mebibytes):+.1f} MiB and {trace.slope(trace.files):+.1f} files an hour")


if __name__ == "__main__":
    main()
