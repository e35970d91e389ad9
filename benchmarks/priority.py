"""Which ready member goes first when calls are bounded: orders at the engine's gate, on a simulated model and clock.

An order changes when a call is made, never what is asked. Measured for an evaluation (all members of many questions):
the whole time, when a question is done on average (what a kill or an early look at the results gets), and how many
questions were begun and not done (what is held in memory); with the engine's own bound on open questions, and with
none of them held back. For one question's answer: the time to it.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from rich.table import Table

from benchmarks.printing import show
from benchmarks.virtual_time import run
from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.record import NullStore
from selfagg.run.call_queue import CallQueue, Priority, RequestQueue
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.question_run import QuestionRun
from selfagg.run.runner import answer, evaluate
from selfagg.types import Member, Question, Sampling

Order = Callable[[Priority], Priority]

ORDERS: Mapping[str, Order] = {
    "question by question, deepest first": lambda own: own,
    "question by question, shallowest first": lambda own: (own[0], -own[1], *own[2:]),
    "deepest first, over all questions": lambda own: (own[1], own[0], *own[2:]),
    "shallowest first (longest path left)": lambda own: (-own[1], own[0], *own[2:]),
    "in order of arrival": lambda own: (),
}
"""From the engine's own priority, (question, -population, place), to the one tried."""

QUESTIONS = 40
SLOTS = 32
SEEDS = range(20)
METHOD = RSA(t=5)


class Ordered(RequestQueue):
    """A gate that sees another priority than the engine gives.

    Attributes:
        limit: What the engine takes for the bound, from which follows how many questions it opens at once.
    """

    def __init__(self, slots: int, order: Order, limit: int | None = None) -> None:
        super().__init__(CallQueue(slots))
        self._limit = limit or slots
        self._order = order

    @property
    def limit(self) -> int:
        return self._limit

    @asynccontextmanager
    async def enter(self, priority: Priority = ()) -> AsyncIterator[None]:
        async with self._shared.enter(self._order(priority)):
            yield


class Times(Callback):
    """When each question was done, and how many were begun and not done at most."""

    def __init__(self) -> None:
        self.now = asyncio.get_running_loop().time
        self.begun = self.now()
        self.done: list[float] = []
        self.open_questions: set[int] = set()
        self.most_open = 0

    def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
        self.open_questions.add(question)
        self.most_open = max(self.most_open, len(self.open_questions))

    def finished(self, question: int) -> None:
        self.open_questions.discard(question)
        self.done.append(self.now() - self.begun)


def simulated(slots: int) -> SimulatedModel:
    return SimulatedModel(Simulation(tokens=400, cv=0.8, speed=400, slots=slots))


async def evaluation(order: Order, seed: int, limit: int | None) -> tuple[float, float, int]:
    """Seconds for all, mean seconds until a question is done, most questions open."""
    questions = [
        Question(f"q{i}", f"A simulated question, number {i}?", "text", gold="right") for i in range(QUESTIONS)
    ]
    settings, times = Settings(Sampling(max_tokens=10**6), seed), Times()
    engine = Engine(simulated(SLOTS), settings, NullStore(), call_queue=Ordered(SLOTS, order, limit), callback=times)
    await evaluate(engine, METHOD, questions)
    return times.now() - times.begun, statistics.mean(times.done), times.most_open


async def one_answer(order: Order, seed: int, slots: int) -> float:
    """Seconds to one answer."""
    question = Question("q", "A simulated question?", "text", gold="right")
    settings, now = Settings(Sampling(max_tokens=10**6), seed), asyncio.get_running_loop().time
    engine, begun = Engine(simulated(slots), settings, NullStore(), call_queue=Ordered(slots, order)), now()
    question_run = QuestionRun(engine, question, 0, METHOD)
    await answer(question_run)
    seconds = now() - begun
    await question_run.close()
    return seconds


async def measured() -> Table:
    table = Table(
        "order",
        "all: time",
        "a question is done after",
        "questions open",
        "none held back: time",
        "a question is done after",
        "questions open",
        "one answer, 4 slots: time",
        title=f"Who goes first: {QUESTIONS} questions, 16/4/5, {SLOTS} slots, SIMULATED model; times as shares of the "
        "first row's",
    )
    rows: dict[str, list[list[float]]] = {name: [] for name in ORDERS}
    for seed in SEEDS:
        for name, order in ORDERS.items():
            single = statistics.mean([await one_answer(order, 10 * seed + i, 4) for i in range(4)])
            both = [*await evaluation(order, seed, None), *await evaluation(order, seed, METHOD.n * QUESTIONS)]
            rows[name].append([*both, single])
    medians = {name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in rows.items()}
    base = next(iter(medians.values()))
    counts = (2, 5)  # columns that are no times
    for name, row in medians.items():
        shown = [f"{value:.0f}" if c in counts else f"{value / base[c]:.2f}" for c, value in enumerate(row)]
        table.add_row(name, *shown)
    return table


def main() -> None:
    show(run(measured()))
