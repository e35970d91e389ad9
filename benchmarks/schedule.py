"""What the missing barrier and computing on demand save: time and calls as shares of the stepwise schedule's.

The model is simulated: reply lengths are log-normal, its slots are bounded, and time is what its replies take. Each
ratio is the median over seeds, all schedules with the same sets and lengths.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from itertools import product

from rich.console import Console
from rich.table import Table

from selfagg.engine.configuration import configuration
from selfagg.engine.engine import Engine, Settings
from selfagg.engine.record import Record
from selfagg.engine.run import Schedule, answer, evaluate_question
from selfagg.engine.trial import Trial
from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.types import Question, Sampling

SEEDS = range(5)
REPLY_S = 0.04
"""Mean time of a reply: long beside what the engine adds, short enough to repeat."""
QUESTION = Question("q", "A simulated question?", "text", gold="right")


async def everything(model: SimulatedModel, method: RSA, seed: int, schedule: Schedule) -> tuple[float, int]:
    """Seconds and calls for all members of one question."""
    settings = Settings(Sampling(max_tokens=10**6), seed)
    with Record(None) as record:
        record.begin(configuration(method, model.name, settings, "bench"), [QUESTION])
        engine = Engine(model, settings, record)
        begun = time.perf_counter()
        await evaluate_question(engine, method, QUESTION, 0, schedule=schedule)
        return time.perf_counter() - begun, method.calls


async def one_answer(model: SimulatedModel, method: RSA, seed: int) -> tuple[float, int]:
    """Seconds and calls for one answer, of which only the ancestors are computed."""
    settings = Settings(Sampling(max_tokens=10**6), seed)
    with Record(None) as record:
        record.begin(configuration(method, model.name, settings, "bench"), [QUESTION])
        trial = Trial(Engine(model, settings, record), QUESTION, 0, method)
        begun = time.perf_counter()
        await answer(trial, method)
        seconds = time.perf_counter() - begun
        await trial.close()
        return seconds, trial.calls


async def ratios(t: int, cv: float, slots: int) -> tuple[float, float, float]:
    """Time of all members without barriers, time and calls of one answer, as shares of stepwise."""
    model = SimulatedModel(Simulation(tokens=400, cv=cv, speed=400 / REPLY_S, slots=slots))
    rows: list[tuple[float, float, float]] = []
    for seed in SEEDS:
        method = RSA(t=t)
        stepwise, calls = await everything(model, method, seed, "stepwise")
        free, _ = await everything(model, method, seed, "free")
        answered, needed = await one_answer(model, method, seed)
        rows.append((free / stepwise, answered / stepwise, needed / calls))
    free_time, answer_time, answer_calls = (statistics.median(column) for column in zip(*rows, strict=True))
    return free_time, answer_time, answer_calls


def main() -> None:
    table = Table(
        "N/K/T",
        "spread of lengths",
        "slots",
        "all members: time",
        "one answer: time",
        "one answer: calls",
        title="Schedules on a SIMULATED model, as shares of the stepwise schedule",
    )
    for t, cv, slots in product((3, 5, 10), (0.4, 0.8, 1.2), (4, 8, 64)):
        free, answered, calls = asyncio.run(ratios(t, cv, slots))
        table.add_row(f"16/4/{t}", f"{cv}", str(slots), f"{free:.2f}", f"{answered:.2f}", f"{calls:.2f}")
    Console().print(table)
