"""Tokens a second of the embedded model: one stream, and sixteen, bare through its client and under the engine."""

from __future__ import annotations

import asyncio
import statistics
import time

from rich.table import Table

from benchmarks.printing import show
from selfagg.methods import Single
from selfagg.models import Model, connect
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Question, Request, Sampling

TOKENS = 64
REPEATS = 3
QUESTION = Question("q", "Tell a long story about a lighthouse and the people who kept it.")


async def bare(model: Model, streams: int, repeat: int) -> float:
    """Completion tokens a second of as many calls at once, with nothing around them."""
    messages = ({"role": "user", "content": QUESTION.text},)
    requests = [
        Request(messages, Sampling(max_tokens=TOKENS), seed=1000 * repeat + i, question=QUESTION)
        for i in range(streams)
    ]
    begun = time.perf_counter()
    replies = await asyncio.gather(*(model.sample(request) for request in requests))
    return sum(reply.usage.completion for reply in replies) / (time.perf_counter() - begun)


async def engine(model: Model, streams: int, repeat: int) -> float:
    """The same under the engine, every reply recorded on the way."""
    settings, method = Settings(Sampling(max_tokens=TOKENS), seed=repeat), Single(n=streams)
    with Record(None) as record:
        record.begin(configuration(method, model.name, settings, "bench"), [QUESTION])
        begun = time.perf_counter()
        await evaluate(Engine(model, settings, record), method, [QUESTION])
        seconds = time.perf_counter() - begun
        ((tokens,),) = record.query("SELECT sum(completion_tokens) FROM generations")
    return float(tokens) / seconds


async def measured() -> Table:
    table = Table("streams", "bare", "under the engine", "ratio", title=f"Tokens/s of local, median of {REPEATS}")
    async with connect("local") as model:
        await bare(model, 1, 99)  # warm
        for streams in (1, 16):
            pairs = [(await bare(model, streams, r), await engine(model, streams, r)) for r in range(REPEATS)]
            alone, under = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(b / a for a, b in pairs)
            table.add_row(str(streams), f"{alone:.0f}", f"{under:.0f}", f"{ratio:.2f}")
    return table


def main() -> None:
    show(asyncio.run(measured()))
