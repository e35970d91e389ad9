"""Runs a method: over the questions of an evaluation, every member; for one question's answer, what that needs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from selfagg.errors import ModelError, UsageError
from selfagg.methods.base import Members, Method
from selfagg.prompts import first
from selfagg.record.store import Store
from selfagg.run.engine import Engine
from selfagg.run.question_run import QuestionRun
from selfagg.run.subsets import address_random
from selfagg.types import Member, Question, Stop

Schedule = Literal["free", "stepwise"]
Choice = Literal["sample", "majority"]

T = TypeVar("T")


async def evaluate(
    engine: Engine,
    method: Method,
    questions: Sequence[Question],
    *,
    schedule: Schedule = "free",
    only: Collection[int] | None = None,
) -> None:
    """Computes and scores every member for every question, into the engine's record.

    Only as many questions are open at a time as keep the model busy, so memory does not grow with the run.

    Args:
        engine: Model, settings and record; the record has begun with these questions.
        method: The method.
        questions: In the record's order.
        schedule: ``free``: a member starts when its parents are done. ``stepwise``: when the whole population
            before it is done, as in the paper's scripts; for comparisons.
        only: Positions of the questions to work on; None: all.

    Raises:
        RunStopped: The model is gone. What was finished is in the record.
        UsageError: A question does not fit the model's context (found before the first call).
    """
    done = finished_questions(engine.record)
    wanted = range(len(questions)) if only is None else only
    open_questions = [(p, questions[p]) for p in wanted if p not in done]
    for _, question in open_questions:
        await engine.fit(first(question), engine.model.context)
    places = asyncio.Semaphore(questions_at_once(engine.call_limiter.limit, method.n))

    async def one(position: int, question: Question) -> None:
        try:
            await evaluate_question(engine, method, question, position, schedule=schedule)
        finally:
            places.release()

    async def everything() -> None:
        async with asyncio.TaskGroup() as group:
            for position, question in open_questions:
                await places.acquire()
                group.create_task(one(position, question))

    engine.callback.started(engine.record)
    try:
        await first_error_only(everything())
    finally:
        engine.callback.ended()
        await engine.close()


def questions_at_once(calls: int, n: int) -> int:
    """How many questions to have open so that ``calls`` calls at once find work: of n members, some wait for parents.

    With spread lengths less than half of them run at a time. In a simulation of RSA 16/4/10 (``benchmarks.cluster``)
    64 calls at once are busy 91 % of the time with twice as many members open as calls, 98 % with three times, and no
    more with eight times.
    """
    return 3 * calls // n + 1


INCOMPLETE = (
    "SELECT question FROM generations WHERE error IS NOT NULL "
    "UNION SELECT question FROM scores WHERE score IS NULL AND note != ''"
)
"""Selects the questions with members that have no reply, or an answer that could not be scored."""


def finished_questions(record: Store) -> set[int]:
    """Return positions of the questions of which nothing is missing: no call failed, every answer is scored."""
    done = {p for (p,) in record.query("SELECT position FROM questions WHERE weights IS NOT NULL")}
    return done - {p for (p,) in record.query(INCOMPLETE)}


async def evaluate_question(
    engine: Engine, method: Method, question: Question, position: int, *, schedule: Schedule = "free"
) -> None:
    """Computes and scores every member for one question."""
    question_run = QuestionRun(engine, question, position, method)
    try:
        await question_run.load()
        member = method.members(question_run)
        if schedule == "stepwise":
            for t in range(1, method.t + 1):
                await _population(method, member, t)
        else:
            await asyncio.gather(*(_population(method, member, t) for t in range(1, method.t + 1)))
        await question_run.scored()
        await question_run.group()
        last = [question_run.members[method.t, i] for i in range(method.size(method.t))]
        await engine.record.save_weights(position, await method.weigh(question_run, last))
        engine.callback.finished(position)
    finally:
        await question_run.close()


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """The outcome for one question.

    Attributes:
        member: The member whose response is the answer.
        cut_short: Whether a budget or a deadline ended the work before the method was through.
        others: Further members of the last population, where more than one answer was asked for.
    """

    member: Member
    cut_short: bool
    others: tuple[Member, ...] = ()


async def answer(
    question_run: QuestionRun,
    method: Method,
    *,
    choice: Choice = "sample",
    schedule: Schedule = "free",
    deadline_s: float | None = None,
    count: int = 1,
) -> QuestionResult:
    """Computes the answer to one question, and no member that it does not need.

    When the trial's budget is spent or the deadline passes first, the answer is the best one at hand: the majority
    of the deepest population that has answers.

    Args:
        question_run: The question; loaded.
        method: The method.
        choice: ``sample``: one member of the last population, drawn uniformly (only its ancestors are computed), or
            the method's own choice where it has one. ``majority``: the most frequent answer of the last population.
        schedule: As for `evaluate`; ``stepwise`` computes every member.
        deadline_s: Seconds until the best answer at hand is taken.
        count: How many members of the last population are wanted as answers; at most its size.

    Raises:
        ModelError: Nobody has answered.
        RunStopped: The model is gone.
    """
    work = asyncio.ensure_future(_choose(question_run, method, choice, schedule, count))
    spent = asyncio.ensure_future(question_run.spent.wait())
    try:
        await asyncio.wait({work, spent}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            chosen = [member for member in work.result() if member.reply]
            first, *others = chosen or [await best_at_hand(question_run)]
            return QuestionResult(first, cut_short=False, others=tuple(others))
        await question_run.stop()
        return QuestionResult(await best_at_hand(question_run), cut_short=True)
    finally:
        for task in (work, spent):
            task.cancel()
        await asyncio.gather(work, spent, return_exceptions=True)


async def _choose(
    question_run: QuestionRun, method: Method, choice: Choice, schedule: Schedule, count: int
) -> list[Member]:
    member = method.members(question_run)
    random = address_random(question_run.seed, question_run.question.id, "answer")
    if schedule == "stepwise":
        for t in range(1, method.t + 1):
            await _population(method, member, t)
    if choice == "sample" and method.uniform:
        drawn = iter(draw_order(question_run, method))

        async def one() -> Member | None:  # the next one drawn, unless it failed or a filter left nothing of it
            for i in drawn:
                chosen = await member(method.t, i)
                if chosen.reply and (chosen.text or chosen.reply.stop is not Stop.FILTERED):
                    return chosen
            return None

        return [chosen for chosen in await asyncio.gather(*(one() for _ in range(count))) if chosen]
    population = await _population(method, member, method.t)
    weights = await (question_run.vote(population) if choice == "majority" else method.weigh(question_run, population))
    chosen = random.choices(population, weights)[0]
    ranked = sorted(population, key=lambda member: (member.i != chosen.i, -weights[member.i], member.i))
    return ranked[:count]


def draw_order(question_run: QuestionRun, method: Method) -> list[int]:
    """Places of the last population, in the order in which they are drawn as the answer."""
    size = method.size(method.t)
    return address_random(question_run.seed, question_run.question.id, "answer").sample(range(size), size)


async def best_at_hand(question_run: QuestionRun) -> Member:
    """The majority of the deepest population that has answers, or any reply of the deepest that has one.

    Raises:
        ModelError: There is no reply at all.
    """
    replied = [member for member in question_run.members.values() if member.reply]
    if not replied:
        errors = [member.error for _, member in sorted(question_run.members.items()) if member.error]
        raise ModelError(f"no answer: {errors[0] if errors else 'the budget or the deadline ended before any reply'}")
    for t in sorted({member.t for member in replied}, reverse=True):
        population = sorted((member for member in replied if member.t == t), key=lambda member: member.i)
        if groups := await question_run.groups(population):
            return groups[0][0]
    deepest = max(member.t for member in replied)
    return min((member for member in replied if member.t == deepest), key=lambda member: member.i)


async def _population(method: Method, member: Members, t: int) -> list[Member]:
    return await asyncio.gather(*(member(t, i) for i in range(method.size(t))))


async def first_error_only(work: Coroutine[Any, Any, T]) -> T:
    """Awaits a task group; of the errors that it gathers, the first that is meant for a person is raised."""
    try:
        return await work
    except BaseExceptionGroup as group:
        errors = _leaves(group)
        did_you_mean = [error for error in errors if isinstance(error, UsageError)] or errors
        raise did_you_mean[0] from None


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
