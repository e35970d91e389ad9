"""What limits a run on many machines: questions that keep slots busy, prefixes that replicas tear apart, one driver.

Slots and prefixes are simulated, event by event, with the engine's own sets and its order of calls (question by
question, deepest population first); reply lengths are log-normal. The driver's part is measured in seconds of processor
time: workers' news merged into the run's record.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from rich.table import Table

from benchmarks.printing import show
from selfagg.methods import RSA
from selfagg.record.configuration import configuration
from selfagg.record.merge import Part, merge
from selfagg.record.record import Record
from selfagg.record.rows import Generation, generation_row, question_body
from selfagg.run.engine import Settings
from selfagg.run.runner import questions_at_once
from selfagg.run.subsets import Order, Set, draw_sets
from selfagg.types import Member, Question, Reply, Usage

METHOD = RSA()
SPREAD = 0.8
"""Coefficient of variation of reply lengths."""
QUESTIONS = (30, 100, 1055)
"""AIME-25 or HMMT-25, a Reasoning Gym set, LiveCodeBench."""
SLOTS = (16, 64, 256, 1024, 4096, 16384)
REPLICAS = (1, 2, 4, 8)
PLANS = 300
REPLY_BYTES = 32_000
"""About 8,000 tokens."""


def busy(questions: int, slots: int, seed: int = 0) -> float:
    """Share of the slots' time that is spent on replies, over a whole run of RSA 16/4/10."""
    n, t_last = METHOD.n, METHOD.t
    chance = random.Random(seed)
    variance = math.log(1 + SPREAD**2)
    sets = {(q, t): draw_sets(seed, str(q), t, n=n, k=METHOD.k) for q in range(questions) for t in range(2, t_last + 1)}
    waits: dict[tuple[int, int, int], int] = {}
    ready: list[tuple[int, int, int]] = []  # question, -t, i: the engine's priority
    running: list[tuple[float, int, int, int]] = []
    left = [n * t_last] * questions
    now = work = 0.0
    opened = 0

    def open_questions(count: int) -> None:
        nonlocal opened
        for q in range(opened, min(opened + count, questions)):
            for i in range(n):
                heapq.heappush(ready, (q, -1, i))
        opened = min(opened + count, questions)

    open_questions(questions_at_once(slots, n))
    while ready or running:
        while ready and len(running) < slots:
            q, minus_t, i = heapq.heappop(ready)
            length = chance.lognormvariate(-variance / 2, math.sqrt(variance))
            work += length
            heapq.heappush(running, (now + length, q, -minus_t, i))
        now, q, t, i = heapq.heappop(running)
        left[q] -= 1
        if left[q] == 0:
            open_questions(1)
        for child, members in enumerate(sets.get((q, t + 1), ())):
            if i in members:
                waits[q, t + 1, child] = waits.get((q, t + 1, child), METHOD.k) - 1
                if waits[q, t + 1, child] == 0:
                    heapq.heappush(ready, (q, -(t + 1), child))
    return work / (slots * now)


def slots_table() -> Table:
    table = Table(
        "questions", *(f"{slots:,}" for slots in SLOTS), title="SIMULATED: share of slots at work, RSA 16/4/10"
    )
    for questions in QUESTIONS:
        table.add_row(f"{questions:,}", *(f"{busy(questions, slots):.0%}" for slots in SLOTS))
    return table


def repeated(sets: Sequence[Set], replica_of: Sequence[int]) -> float:
    """Share of candidates that repeat a prefix which the same replica has read in another prompt."""
    prefixes = [
        (replica, members[: place + 1])
        for members, replica in zip(sets, replica_of, strict=True)
        for place in range(len(members))
    ]
    return 1 - len(set(prefixes)) / len(prefixes)


def replicas_table() -> Table:
    table = Table(
        "order", *(f"{replicas} replicas" for replicas in REPLICAS), title="Candidates read from cache, 16/4, on paper"
    )
    orders: tuple[Order, ...] = ("random", "prefix")
    for order in orders:
        shares = []
        for replicas in REPLICAS:
            chance = random.Random(0)
            shares.append(
                statistics.fmean(
                    repeated(
                        draw_sets(seed, "q", 2, n=METHOD.n, k=METHOD.k, order=order),
                        [chance.randrange(replicas) for _ in range(METHOD.n)],
                    )
                    for seed in range(PLANS)
                )
            )
        table.add_row(order, *(f"{share:.0%}" for share in shares))
    return table


def merged(questions: int = 10) -> tuple[float, float]:
    """Milliseconds of processor time a generation, and megabytes a question, of the driver's merging."""
    asked = [Question(str(q), f"Question {q}?", "math", gold="42") for q in range(questions)]
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as folder, Record(Path(folder) / "run.sqlite") as record:
        record.begin(configuration(METHOD, "none", Settings(), "bench"), asked)
        seconds = 0.0
        for position, question in enumerate(asked):
            whole = _part(position, question, chance)
            first, second = whole.generations[:80], whole.generations[80:]
            begun = time.process_time()
            for rows in (first, second, whole.generations):  # as news, and once more with the question's end
                merge(record, Part(position, question.id, "", rows))
            seconds += time.process_time() - begun
        size = (Path(folder) / "run.sqlite").stat().st_size + (Path(folder) / "run.sqlite-wal").stat().st_size
    return 1000 * seconds / (questions * METHOD.calls), size / questions / 1e6


def _part(position: int, question: Question, chance: random.Random) -> Part:
    rows = []
    for t, i in product(range(1, METHOD.t + 1), range(METHOD.n)):
        parents = draw_sets(0, question.id, t, n=METHOD.n, k=METHOD.k)[i] if t > 1 else ()
        text = chance.randbytes(REPLY_BYTES // 2).hex()
        rows.append(
            generation_row(Generation(position, Member(t, i, parents, Reply(text, usage=Usage(33_000, 0, 8_000)))))
        )
    return Part(position, question.id, question_body(question), tuple(rows))


def main() -> None:
    show(slots_table())
    show(replicas_table())
    cost, size = merged()
    show(f"Driver: {cost:.2f} ms of processor time a generation of {REPLY_BYTES:,} bytes, {size:.1f} MB a question")
