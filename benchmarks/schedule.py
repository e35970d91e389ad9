"""What the missing barrier and computing on demand save: time and calls as shares of the stepwise schedule's.

The model is simulated, and so is the time: reply lengths are log-normal, its slots are bounded, and nothing but its
replies takes any time, so every machine measures the same. Each ratio is the median over seeds, all schedules with the
same sets and lengths.
"""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass
from itertools import product

from rich.table import Table

from benchmarks.printing import show
from benchmarks.virtual_time import run
from selfagg.methods import RSA
from selfagg.models import Model
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.record import NullStore
from selfagg.record.rows import Generation
from selfagg.run.engine import Engine, Settings
from selfagg.run.question_run import QuestionRun
from selfagg.run.runner import Schedule, answer, evaluate_question
from selfagg.types import Question, Sampling

SEEDS = range(100)
QUESTION = Question("q", "A simulated question?", "text", gold="right")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one question took: seconds, calls, and tokens, prompts included."""

    seconds: float
    calls: int
    tokens: int

    def share(self, of: Cost) -> tuple[float, float, float]:
        """Seconds, calls and tokens as shares of another's."""
        return self.seconds / of.seconds, self.calls / of.calls, self.tokens / of.tokens


class Counting(NullStore):
    """Keeps how many calls there were, and of how many tokens."""

    def __init__(self) -> None:
        self.calls = self.tokens = 0

    async def save(self, generation: Generation) -> None:
        self.calls += 1
        if reply := generation.member.reply:
            self.tokens += reply.usage.prompt + reply.usage.completion


async def asked(model: Model, method: RSA, question: Question, settings: Settings, schedule: Schedule | None) -> Cost:
    """The cost of all members on a schedule; with None that of one answer, only its ancestors computed."""
    counts, now = Counting(), asyncio.get_running_loop().time
    engine, begun = Engine(model, settings, counts), now()
    if schedule:
        await evaluate_question(engine, method, question, 0, schedule=schedule)
        seconds = now() - begun
    else:
        question_run = QuestionRun(engine, question, 0, method)
        await answer(question_run)
        seconds = now() - begun
        await question_run.close()
    return Cost(seconds, counts.calls, counts.tokens)


async def ratios(t: int, cv: float, slots: int) -> tuple[float, float, float]:
    """Time of all members without barriers, time and calls of one answer, as shares of stepwise."""
    model = SimulatedModel(Simulation(tokens=400, cv=cv, speed=400, slots=slots))
    rows: list[tuple[float, float, float]] = []
    for seed in SEEDS:
        settings = Settings(Sampling(max_tokens=10**6), seed)
        stepwise = await asked(model, RSA(t=t), QUESTION, settings, "stepwise")
        free = await asked(model, RSA(t=t), QUESTION, settings, "free")
        one = await asked(model, RSA(t=t), QUESTION, settings, None)
        rows.append((free.share(stepwise)[0], *one.share(stepwise)[:2]))
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
        free, answered, calls = run(ratios(t, cv, slots))
        table.add_row(f"16/4/{t}", f"{cv}", str(slots), f"{free:.2f}", f"{answered:.2f}", f"{calls:.2f}")
    show(table)
