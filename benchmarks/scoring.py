r"""How fast answers are scored: math beside a serial loop over math-verify, and programs in the sandbox.

The math is a population's: 16 answers to a question, some equal, most of them numbers or formulas. The loop is
``verify(parse(gold), parse(answer))`` with math-verify's own time limits, 5 s each, which it waits out at every
answer that hangs; one that does not let them through would hold it for ever, so it is ended after a while.
"""

from __future__ import annotations

import asyncio
import logging
import random
import statistics
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection

from rich.table import Table

from benchmarks.printing import show
from selfagg._internal.machine import cores
from selfagg.sandbox import choose_sandbox
from selfagg.scoring import workers
from selfagg.scoring.code import CodeScorer
from selfagg.scoring.math import MathScorer
from selfagg.types import Question

QUESTIONS = 50
POPULATION = 16
REPEATS = 3
HANGS = ("9^{9^{9^9}}", "8^{8^{8^8}}")
PATIENCE_S = 60.0
"""After so long a serial loop is ended."""
PROGRAMS = 24
TESTS = 10

Pair = tuple[str, str]


def pairs(hanging: int) -> list[Pair]:
    """Gold and answer of each member, with so many answers among them that hang."""
    chance = random.Random(0)
    found: list[Pair] = []
    for _ in range(QUESTIONS):
        a, b = chance.randrange(2, 99), chance.randrange(2, 99)
        gold, same, other = chance.choice(
            [
                (str(a * b), f"{a * b}.0", str(a * b + 1)),
                (rf"\frac{{{a}}}{{{b}}}", f"{a}/{b}", rf"\frac{{{b}}}{{{a}}}"),
                (rf"{a}\sqrt{{{b}}}", rf"\sqrt{{{a * a * b}}}", rf"{b}\sqrt{{{a}}}"),
                (f"x^2-{a * a}", f"(x-{a})(x+{a})", f"x^2+{a * a}"),
                (rf"({a}, {b})", rf"\left({a},{b}\right)", rf"({b}, {a})"),
            ]
        )
        found += [(gold, chance.choice([gold, same, other, str(a + b), rf"{a}\pi"])) for _ in range(POPULATION)]
    for text in HANGS[:hanging]:
        found.insert(chance.randrange(len(found)), ("5", text))
    return found


def loop(asked: list[Pair], told: Connection) -> None:
    """One after the other with math-verify's own time limits; tells the seconds, its imports left out."""
    from math_verify import parse, verify  # type: ignore[import-untyped]

    logging.disable(logging.CRITICAL)  # it tells of each time limit
    begun = time.perf_counter()
    for gold, answer in asked:
        verify(parse(rf"\boxed{{{gold}}}"), parse(rf"\boxed{{{answer}}}"))
    told.send(time.perf_counter() - begun)


def serial(asked: list[Pair]) -> float | None:
    """Seconds of the loop, in a process of its own; None where it had to be ended."""
    spawn = get_context("spawn")
    heard, told = spawn.Pipe(duplex=False)
    process = spawn.Process(target=loop, args=(asked, told))
    process.start()
    seconds: float | None = heard.recv() if heard.poll(PATIENCE_S) else None
    process.kill()
    process.join()
    return seconds


async def scored(asked: list[Pair]) -> float:
    """Seconds of the scorer for all of them at once, its workers started before."""
    await workers.run("selfagg.scoring.answers.read:read", "x", timeout_s=5.0)
    scorer, begun = MathScorer(), time.perf_counter()
    await asyncio.gather(
        *(
            scorer.score(Question(f"q{n}", "?", "math", gold=gold), rf"So it is \boxed{{{answer}}}.")
            for n, (gold, answer) in enumerate(asked)
        )
    )
    return time.perf_counter() - begun


async def programs() -> float:
    """Seconds for programs that pass all their tests, scored at once."""
    cases = [[f"{n}\n", f"{2 * n}\n"] for n in range(TESTS)]
    question = Question("q", "Double it.", "code", data={"format": "stdin", "cases": cases})
    scorer = CodeScorer(choose_sandbox())
    texts = [f"```python\nprint({n} * 0 + 2 * int(input()))\n```" for n in range(PROGRAMS)]
    begun = time.perf_counter()
    verdicts = await asyncio.gather(*(scorer.score(question, text) for text in texts))
    seconds = time.perf_counter() - begun
    assert all(verdict.score == 1.0 for verdict in verdicts), verdicts
    return seconds


def main() -> None:
    table = Table(
        "scored",
        "n",
        "serial math-verify /s",
        "selfagg /s",
        title=f"Scoring on {cores()} cores, median of {REPEATS}",
    )
    for hanging in (0, len(HANGS)):
        asked = pairs(hanging)
        alone = serial(asked)
        seconds = statistics.median(asyncio.run(scored(asked)) for _ in range(REPEATS))
        name = "math answers" + (f", {hanging} of them hanging" if hanging else "")
        said = f"{len(asked) / alone:,.0f}" if alone else f"ended after {PATIENCE_S:g} s"
        table.add_row(name, f"{len(asked):,}", said, f"{len(asked) / seconds:,.0f}")
    workers.close()
    seconds = statistics.median(asyncio.run(programs()) for _ in range(REPEATS))
    sandbox = type(choose_sandbox()).__name__
    table.add_row(f"programs of {TESTS} tests ({sandbox})", f"{PROGRAMS}", "-", f"{PROGRAMS / seconds:,.1f}")
    table.add_row(f"tests of programs ({sandbox})", f"{PROGRAMS * TESTS}", "-", f"{PROGRAMS * TESTS / seconds:,.0f}")
    show(table)
