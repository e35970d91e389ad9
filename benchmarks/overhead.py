"""What selfagg's engine adds to a call: generations a second beside bare clients, on a server that costs nothing.

The server answers after a fixed delay, in a process of its own; every call is an aggregation of four candidates, a
prompt of 20 kB. The bare clients get their prompts ready-made and keep the replies' texts in a list.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from openai import AsyncOpenAI, DefaultAioHttpClient
from rich.table import Table

from benchmarks.null_server import MODEL, REPLY, STREAMED, null_server
from benchmarks.printing import show
from selfagg.methods.base import Members, Method
from selfagg.models.openai import OpenAIModel
from selfagg.models.openai.client import allow_many_connections
from selfagg.prompts import aggregation
from selfagg.prompts.wording import Wording
from selfagg.record.configuration import configuration
from selfagg.record.record import NullStore, Record, Store
from selfagg.run.engine import Engine, Settings
from selfagg.run.question_run import QuestionRun
from selfagg.run.runner import evaluate
from selfagg.types import Member, Question, Reply

DELAY_S = 0.05
REPEATS = 3
CALLS = {16: 480, 256: 2_000, 2_000: 6_000}
"""Calls of one measurement, by how many are in flight."""

CANDIDATES = tuple(Member(1, i, reply=Reply(f"Way {i}. {REPLY}")) for i in range(4))
POPULATION = 20
MESSAGE_FIELDS = {"model": MODEL, "temperature": 1.0, "max_tokens": 8192}

Call = Callable[[int, str], Awaitable[str]]


def question(number: int) -> Question:
    return Question(f"q{number}", f"How many ships does the keeper count in night {number}?", "math", gold="42")


class Aggregations(Method):
    """Aggregations of the same four candidates: members that wait for nothing but the model."""

    name = "aggregations"

    def members(self, question_run: QuestionRun) -> Members:
        @question_run.memoised
        async def member(t: int, i: int) -> Member:
            return await question_run.sample(t, i, aggregation(question_run.question, CANDIDATES))

        return member


@dataclass(frozen=True)
class Measured:
    """One measurement: calls a second, and the client's CPU time a call in milliseconds."""

    rate: float
    cpu_ms: float


@asynccontextmanager
async def bare_aiohttp(url: str) -> AsyncIterator[Call]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(None)) as session:

        async def call(seed: int, prompt: str) -> str:
            body = {**MESSAGE_FIELDS, "messages": [{"role": "user", "content": prompt}], "seed": seed}
            async with session.post(f"{url}/chat/completions", json=body) as response:
                answer = await response.json()
            return str(answer["choices"][0]["message"]["content"])

        yield call


@asynccontextmanager
async def bare_aiohttp_streamed(url: str) -> AsyncIterator[Call]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(None)) as session:

        async def call(seed: int, prompt: str) -> str:
            body = {**MESSAGE_FIELDS, "messages": [{"role": "user", "content": prompt}], "seed": seed, "stream": True}
            pieces = []
            async with session.post(f"{url}/chat/completions", json=body) as response:
                async for line in response.content:
                    if line.startswith(b"data: {") and (choices := json.loads(line[6:])["choices"]):
                        pieces.append(choices[0]["delta"].get("content", ""))  # noqa: PERF401 - a peer, read as anybody would
            return "".join(pieces)

        yield call


@asynccontextmanager
async def bare_openai(url: str) -> AsyncIterator[Call]:
    http = DefaultAioHttpClient(timeout=None)
    async with AsyncOpenAI(base_url=url, api_key="none", http_client=http, max_retries=0) as client:

        async def call(seed: int, prompt: str) -> str:
            completion = await client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": prompt}],
                temperature=1.0,
                max_tokens=8192,
                seed=seed,
            )
            return completion.choices[0].message.content or ""

        yield call


async def bare(call: Call, in_flight: int, calls: int) -> None:
    """So many calls from so many workers, each one's text kept."""
    candidates = [candidate.text for candidate in CANDIDATES]
    texts: list[str] = []
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            text = await call(number, Wording().words("aggregate", question(number), candidates))
            texts.append(text)

    await asyncio.gather(*(work() for _ in range(in_flight)))


async def under_engine(url: str, keeper: Store, in_flight: int, calls: int, name: str = MODEL) -> None:
    method, settings = Aggregations(n=POPULATION, t=1), Settings()
    questions = [question(number) for number in range(calls // POPULATION)]
    async with OpenAIModel(name, base_urls=(url,), concurrency=in_flight) as model:
        if isinstance(keeper, Record):
            keeper.begin(configuration(method, model.name, settings, "bench"), questions)
        await evaluate(Engine(model, settings, keeper), method, questions)


async def run(contender: str, url: str, in_flight: int, calls: int) -> None:
    match contender:
        case "aiohttp":
            async with bare_aiohttp(url) as call:
                await bare(call, in_flight, calls)
        case "openai":
            async with bare_openai(url) as call:
                await bare(call, in_flight, calls)
        case "aiohttp, streamed":
            async with bare_aiohttp_streamed(url) as call:
                await bare(call, in_flight, calls)
        case "selfagg, no record":
            await under_engine(url, NullStore(), in_flight, calls)
        case "selfagg":
            with tempfile.TemporaryDirectory() as folder, Record(Path(folder) / "record.sqlite") as record:
                await under_engine(url, record, in_flight, calls)
        case "selfagg, streamed":
            with tempfile.TemporaryDirectory() as folder, Record(Path(folder) / "record.sqlite") as record:
                await under_engine(url, record, in_flight, calls, STREAMED)


def measured(contender: str, url: str, in_flight: int, calls: int) -> Measured:
    gc.collect()
    begun, cpu = time.perf_counter(), time.process_time()
    asyncio.run(run(contender, url, in_flight, calls))
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return Measured(calls / seconds, 1000 * cpu / calls)


CONTENDERS = ("aiohttp", "openai", "selfagg, no record", "selfagg", "aiohttp, streamed", "selfagg, streamed")


def medians(url: str, in_flight: int) -> dict[str, Measured]:
    """Each contender's median rate and CPU time, all taking turns."""
    taken: dict[str, list[Measured]] = {name: [] for name in CONTENDERS}
    for _ in range(REPEATS):
        for name, measurements in taken.items():
            calls = CALLS[in_flight] // (4 if "streamed" in name else 1)  # 1,200 events each
            measurements.append(measured(name, url, in_flight, calls))
    return {
        name: Measured(
            statistics.median(one.rate for one in measurements), statistics.median(one.cpu_ms for one in measurements)
        )
        for name, measurements in taken.items()
    }


def main() -> None:
    allow_many_connections()
    table = Table(
        "in flight",
        "client",
        "calls/s",
        "CPU ms a call",
        "of aiohttp's calls/s",
        title=f"Calls a second on a null server ({DELAY_S * 1000:g} ms), 20 kB prompts, median of {REPEATS}",
    )
    with null_server(DELAY_S) as url:
        for in_flight in CALLS:
            found = medians(url, in_flight)
            for name, one in found.items():
                peer = "aiohttp, streamed" if "streamed" in name else "aiohttp"
                ratio = f"{one.rate / found[peer].rate:.2f}"
                table.add_row(str(in_flight), name, f"{one.rate:,.0f}", f"{one.cpu_ms:.2f}", ratio)
            table.add_section()
    show(table)


def alone(contender: str, in_flight: int = 2_000) -> None:
    """One contender and no other, for a profiler to look at."""
    allow_many_connections()
    with null_server(DELAY_S) as url:
        for _ in range(REPEATS):
            show(f"{contender}: {measured(contender, url, in_flight, CALLS[in_flight]).rate:,.0f} calls/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=alone.__doc__)
    parser.add_argument("contender", choices=CONTENDERS, nargs="?", default="selfagg")
    alone(parser.parse_args().contender)
