"""The schedules with real generations: the embedded model in llama.cpp, or any server.

    SERVER=http://localhost:8000/v1 MODEL=NAME python -m benchmarks schedule_real

All schedules have the same sets and the same seeds; a model's replies still differ a little from run to run, since a
batch's company changes last bits, so tokens are shown beside the time, and the time a token.
"""

from __future__ import annotations

import asyncio
import os
import statistics

from rich.table import Table

from benchmarks.printing import show
from benchmarks.schedule import asked
from selfagg.methods import RSA
from selfagg.models import Access, Model, connect
from selfagg.run.engine import Settings
from selfagg.run.runner import Schedule
from selfagg.types import Question, Sampling

QUESTION = Question(
    "ships",
    "A harbour has 3 ships. Each ship carries 4 boats and each boat 2 people. How many people are there? Be brief.",
    "math",
    gold="24",
)
SETTINGS = Settings(Sampling(max_tokens=96))
SCHEDULES: tuple[Schedule | None, ...] = ("free", None)
LOCAL_SLOTS = 4
REPEATS = int(os.environ.get("REPEATS", "1"))


async def one_round(model: Model, t: int) -> list[tuple[float, float, float, float]]:
    """Shares of stepwise's seconds, calls, tokens, seconds a token: all members without barriers, and one answer."""
    stepwise = await asked(model, RSA(t=t), QUESTION, SETTINGS, "stepwise")
    shares = [(await asked(model, RSA(t=t), QUESTION, SETTINGS, schedule)).share(stepwise) for schedule in SCHEDULES]
    return [(seconds, calls, tokens, seconds / tokens) for seconds, calls, tokens in shares]


async def measured() -> Table:
    server = os.environ.get("SERVER")
    name, access = "local", Access(concurrency=LOCAL_SLOTS)
    if server:
        name, access = f"openai:{os.environ['MODEL']}", Access(base_urls=(server,), concurrency=16)
    table = Table(
        "N/K/T",
        "schedule",
        "time",
        "calls",
        "tokens",
        "time a token",
        title=f"Schedules with real replies of {name}, {access.concurrency} at once; shares of stepwise, "
        f"medians of {REPEATS}",
    )
    async with connect(name, access) as model:
        await asked(model, RSA(n=4, k=2, t=1), QUESTION, SETTINGS, "free")  # warm
        for t in (3, 5, 10):
            rounds = [await one_round(model, t) for _ in range(REPEATS)]
            for which, said in enumerate(("all members, no barrier", "one answer, on demand")):
                columns = zip(*(shares[which] for shares in rounds), strict=True)
                table.add_row(f"16/4/{t}", said, *(f"{statistics.median(column):.2f}" for column in columns))
    return table


def main() -> None:
    show(asyncio.run(measured()))
