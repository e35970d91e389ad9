"""That neither the missing barrier nor computing on demand changes how the answer is distributed.

The model here is one on which a biased schedule would show: what it answers depends on the order of the candidates,
and wrong answers come later than right ones.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from scipy.stats import chi2_contingency

from selfagg.methods import RSA
from selfagg.models.base import AlwaysOpen
from selfagg.record.record import NullStore
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.question_run import QuestionRun
from selfagg.run.runner import Schedule, answer, evaluate_question
from selfagg.types import Member, Message, Question, Reply, Request, Sampling, Usage

N, K, T = 6, 3, 4
RUNS = 300
ANSWERS, CHANCES = range(4), (0.4, 0.3, 0.2, 0.1)
QUESTION = Question("q", "?", "text", gold="0")


def written(candidates: Sequence[int], chance: random.Random) -> int:
    """What the model writes: a first answer, or from candidates the first of them, else the least common one."""
    if not candidates:
        return chance.choices(ANSWERS, CHANCES)[0]
    if chance.random() < 0.6:
        return candidates[0]
    counts = Counter(candidates)
    return min(candidates, key=lambda candidate: (counts[candidate], candidate))


class Slow(AlwaysOpen):
    """A simulated model whose wrong answers take longer."""

    name = "simulated:slow"
    concurrency = 4
    context: int | None = None

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return 1

    async def sample(self, request: Request) -> Reply:
        told = written([int(parent.answer or 0) for parent in request.parents], random.Random(request.seed))
        for _ in range(3 * told):
            await asyncio.sleep(0)
        return Reply(f"<answer>{told}</answer>", usage=Usage(1, 0, 1))


def by_the_paper(runs: int, *, late_are_lost: bool = False) -> Counter[int]:
    """The stepwise algorithm, written down without the engine; or one that loses what comes late."""
    chance = random.Random(20)
    found: Counter[int] = Counter()
    for _ in range(runs):
        population = [written([], chance) for _ in range(N)]
        for _ in range(T - 1):
            population = [written(chance.sample(population, K), chance) for _ in range(N)]
        found[min(chance.sample(population, 2)) if late_are_lost else chance.choice(population)] += 1
    return found


class Last(Callback):
    """Keeps the last population's members, with their answers."""

    def __init__(self) -> None:
        self.members: dict[int, Member] = {}

    def scored(self, question: int, member: Member) -> None:
        if member.t == T:
            self.members[member.i] = member


async def by_the_engine(seeds: range, schedule: Schedule | None) -> Counter[int]:
    """Answers over seeds, computed on demand, or drawn from whole populations on a schedule."""
    method, found = RSA(n=N, k=K, t=T), Counter[int]()
    for seed in seeds:
        last = Last()
        engine = Engine(Slow(), Settings(Sampling(), seed), NullStore(), callback=last)
        if schedule:
            await evaluate_question(engine, method, QUESTION, 0, schedule=schedule)
            chosen = random.Random(f"{seed} {schedule}").choice([last.members[i] for i in range(N)])
        else:
            question_run = QuestionRun(engine, QUESTION, 0, method)
            chosen = (await answer(question_run)).member
            await question_run.close()
        found[int(chosen.answer or 0)] += 1
    return found


def alike(one: Counter[int], other: Counter[int]) -> float:
    """The p-value of the hypothesis that both were drawn from one distribution."""
    return float(chi2_contingency([[counts[a] for a in ANSWERS] for counts in (one, other)]).pvalue)


@pytest.fixture(scope="module")
def expected() -> Counter[int]:
    return by_the_paper(40 * RUNS)


@pytest.mark.parametrize("schedule", [None, "free", "stepwise"])
async def test_the_answers_distribution_is_that_of_the_stepwise_algorithm(
    schedule: Schedule | None, expected: Counter[int]
) -> None:
    assert alike(await by_the_engine(range(RUNS), schedule), expected) > 1e-3


def test_that_many_runs_tell_a_biased_schedule_from_the_true_one(expected: Counter[int]) -> None:
    assert alike(by_the_paper(RUNS, late_are_lost=True), expected) < 1e-6
