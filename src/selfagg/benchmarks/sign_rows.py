"""Rows of signs: four small puzzles in one question, so that a response can be right in part.

``A: 7 3 1 gives 3`` asks for + or - between the numbers: ``7-3-1``. Every row has one solution. The questions are
generated; examples/rows has the trainer of an adapter that knows the form of an answer.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from functools import cached_property

from selfagg.benchmarks.base import Benchmark, Selection
from selfagg.errors import UsageError
from selfagg.types import Question

LETTERS = "ABCD"


@dataclass(frozen=True)
class Row:
    """One puzzle: the numbers, in their order, and the value that the expression must have."""

    numbers: tuple[int, ...]
    target: int

    @cached_property
    def expressions(self) -> dict[str, int]:
        """Return every way to place the signs, with its total."""
        found = {}
        for signs in itertools.product((1, -1), repeat=len(self.numbers) - 1):
            terms = [sign * number for sign, number in zip(signs, self.numbers[1:], strict=True)]
            found["".join([str(self.numbers[0]), *(f"{term:+d}" for term in terms)])] = self.numbers[0] + sum(terms)
        return found

    @property
    def solution(self) -> str:
        """Return the expression that gives the target."""
        return next(expression for expression, total in self.expressions.items() if total == self.target)


def draw_row(drawn: random.Random) -> Row:
    """Draw three numbers from 1 to 9 and a target that exactly one placing of signs gives, 0 or more."""
    while True:
        numbers = tuple(drawn.randint(1, 9) for _ in range(3))
        totals = list(Row(numbers, 0).expressions.values())
        target = drawn.choice(totals)
        if target >= 0 and totals.count(target) == 1:
            return Row(numbers, target)


def question_of(rows: list[Row], name: str) -> Question:
    """Return the rows as a question; its gold answer is the list of all solutions."""
    parts = [*zip(LETTERS, rows, strict=False)]
    lines = [f"{part}: {' '.join(map(str, row.numbers))} gives {row.target}" for part, row in parts]
    return Question(
        name,
        "\n".join(["Put + or - between the numbers of each row.", *lines]),
        gold=", ".join(f"{part} {row.solution}" for part, row in parts),
        instruction="",
        data={"parts": [part for part, _ in parts]},
    )


def _load(selection: Selection) -> list[Question]:
    size = BENCHMARK.size if selection.size is None else selection.size
    if not isinstance(size, int) or size < 1:
        raise UsageError(f"rows are generated: ask for a number of questions of at least 1, not {size}")
    drawn = random.Random(f"{selection.data_seed}/rows")
    return [question_of([draw_row(drawn) for _ in LETTERS], f"rows-{place}") for place in range(1, size + 1)]


BENCHMARK = Benchmark(
    name="rows",
    title="Rows of signs",
    kind="text",
    size=60,
    load=_load,
    note="generated; selfagg's own, for the demo and its two small models",
)
