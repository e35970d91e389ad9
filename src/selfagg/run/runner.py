"""Run a method: every member for the questions of an evaluation, or only the members that one answer needs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from selfagg.errors import ModelError, UsageError
from selfagg.methods.base import Members, Method
from selfagg.prompts import aggregation, first
from selfagg.record.rows import CLOSING
from selfagg.record.store import Store
from selfagg.run.engine import Engine, Settings
from selfagg.run.question_run import QuestionRun
from selfagg.run.stopping import next_wave
from selfagg.run.subsets import address_random
from selfagg.scoring import incomparable
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
    """Compute and score every member for every question, into the engine's record.

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
        check_comparable(method, question, engine.settings)
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
    """Return the number of questions to keep open so that ``calls`` calls find work: some of n members wait.

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
    """Compute and score every member for one question."""
    question_run = QuestionRun(engine, question, position, method)
    try:
        await question_run.load()
        member = method.members(question_run)
        computed = await last_population(question_run, method, member, _every(question_run, method, member, schedule))
        await question_run.scored()
        await question_run.group()
        last = [question_run.members[m.t, m.i] for m in computed]
        weights = await (method.weigh(question_run, last) if last[0].t == method.t else question_run.vote(last))
        await engine.record.save_weights(position, weights)
        engine.callback.finished(position)
    finally:
        await question_run.close()


async def _every(question_run: QuestionRun, method: Method, member: Members, schedule: Schedule) -> list[Member]:
    """Compute every member of every population; return the last population."""
    if schedule == "stepwise":
        for t in range(1, method.t):
            await _population(method, member, t)
        return await _last(question_run, method, member)
    *_, last = await asyncio.gather(
        *(_population(method, member, t) for t in range(1, method.t)), _last(question_run, method, member)
    )
    return last


async def last_population(
    question_run: QuestionRun, method: Method, member: Members, work: Coroutine[Any, Any, list[Member]]
) -> list[Member]:
    """Await the last population, or stop the work when an earlier population is enough; return the one or the other."""
    stopped = question_run.agreement.stopped
    working = asyncio.ensure_future(work)
    try:
        either: set[asyncio.Future[Any]] = {working, stopped}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return await (_population(method, member, stopped.result()) if stopped.done() else working)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _last(question_run: QuestionRun, method: Method, member: Members) -> list[Member]:
    """Compute the last population: all of it, or in waves until the method's rule ends the vote."""
    size, rule = method.size(method.t), method.vote_rule
    if rule is None:
        return await _population(method, member, method.t)
    population: list[Member] = []
    voters: list[int] = []
    while not rule.decided(size, voters, len(population) - sum(voters), size - len(population)):
        dissenters, missing = len(population) - sum(voters), size - len(population)
        wave = next_wave(rule, size, voters, dissenters, missing)
        places = range(len(population), len(population) + wave)
        population += await asyncio.gather(*(member(method.t, i) for i in places))
        groups = await question_run.groups(population)
        voters = [len(group) for group in sorted(groups, key=lambda group: group[0].i)]
    return population


def check_comparable(method: Method, question: Question, settings: Settings) -> None:
    """Look whether answers can be compared, where the method's settings need that.

    Raises:
        UsageError: They cannot: the question asks for free text or for a program.
    """
    if method.compares and settings.scorer is None and (why := incomparable(question)):
        raise UsageError(
            f"question {question.id}: {why}, so that stop and copy have nothing to compare; leave them out, or "
            "give a scorer that says which answers are the same"
        )


def default_answer(method: Method, question: Question, settings: Settings) -> Choice:
    """Return the choice of the answer where nobody says.

    By the method's own setting; else by a vote where answers can be compared and every member is as good as another;
    else by drawing a member.
    """
    if own := getattr(method, "answer", None):
        return "majority" if own == "majority" else "sample"
    votes = method.uniform and method.size(method.t) > 1
    return "majority" if votes and (settings.scorer is not None or not incomparable(question)) else "sample"


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """The outcome for one question.

    Attributes:
        member: The member whose response is the answer.
        cut_short: True if a budget or a deadline ended the work before the method was through.
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
    """Compute the answer to one question, and no member that the answer does not need.

    When the question's budget is spent or the deadline passes first, the answer is the best one at hand: the majority
    of the deepest population that has answers.

    Args:
        question_run: The question; loaded.
        method: The method.
        choice: ``sample``: one member of the last population, drawn uniformly (only its ancestors are computed), or
            the method's own choice where it has one. ``majority``: the most frequent answer of the last population.
        schedule: As for `evaluate`; ``stepwise`` computes every member.
        deadline_s: Seconds until the best answer at hand is taken.
        count: Number of members of the last population that are wanted as answers; at most its size.

    Raises:
        ModelError: Nobody has answered, or not in the form that binds the answer.
        RunStopped: The model is gone.
    """
    work = asyncio.ensure_future(_choose(question_run, method, choice, schedule, count))
    spent = asyncio.ensure_future(question_run.spent.wait())
    try:
        await asyncio.wait({work, spent}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            chosen = [member for member in work.result() if member.reply]
            if not chosen and question_run.closes:
                raise ModelError(f"no answer in the form that is asked for: {_last_error(question_run)}")
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
    """Return the answer, and further members of its population as far as more are wanted."""
    member = method.members(question_run)
    work = _needed(question_run, method, member, choice, schedule, count)
    chosen = await last_population(question_run, method, member, work)
    stopped = question_run.agreement.stopped.done()
    if question_run.closes and (stopped or choice == "majority"):
        return await _closed(question_run, method, chosen, count)
    if stopped:
        agreeing = [m for group in await question_run.groups(chosen) for m in group]
        chosen = [*agreeing, *(m for m in chosen if m not in agreeing)]
    return chosen[:count]


async def _closed(question_run: QuestionRun, method: Method, chosen: Sequence[Member], count: int) -> list[Member]:
    """Give the answer that most members give in the form that binds it: one aggregation of K of them an answer.

    The K are the first by place. Where no member has an answer, they are the first that are chosen.

    Raises:
        ModelError: The call failed.
    """
    groups = await question_run.groups(sorted(chosen, key=lambda member: member.i))
    agreeing = groups[0] if groups else [member for member in chosen if member.reply]
    if not agreeing:
        return []
    prompt = aggregation(question_run.question, agreeing[: method.parents])
    calls = (question_run.sample(agreeing[0].t + 1, i, prompt, CLOSING) for i in range(count))
    closing = await asyncio.gather(*calls)
    if errors := [member.error for member in closing if member.error]:
        raise ModelError(f"the closing call failed: {errors[0]}")
    return closing


def _last_error(question_run: QuestionRun) -> str:
    """Return what the deepest failed member failed of."""
    failed = [(t, member.error) for (t, _), member in question_run.members.items() if member.error]
    return max(failed)[1] if failed else "no member replied"


async def _needed(
    question_run: QuestionRun, method: Method, member: Members, choice: Choice, schedule: Schedule, count: int
) -> list[Member]:
    """Compute what the answer needs; return the members to choose from, the answer first."""
    if schedule == "stepwise":
        await _every(question_run, method, member, schedule)
    # Whether the question goes on after a population may depend on any of its members.
    decisive = range(1, method.t) if method.rule else ()
    deciding = (_population(method, member, t) for t in decisive)
    if choice == "sample" and method.one_answer:
        *_, chosen = await asyncio.gather(*deciding, _drawn(question_run, method, member, count))
        return chosen
    *_, population = await asyncio.gather(*deciding, _last(question_run, method, member))
    weights = await (question_run.vote(population) if choice == "majority" else method.weigh(question_run, population))
    chosen = address_random(question_run.seed, question_run.question.id, "answer").choices(population, weights)
    return sorted(population, key=lambda member: (member.i != chosen[0].i, -weights[member.i], member.i))


async def _drawn(question_run: QuestionRun, method: Method, member: Members, count: int) -> list[Member]:
    """Compute members of the last population in the order in which they are drawn, until so many are there."""
    drawn = iter(draw_order(question_run, method))

    async def one() -> Member | None:  # the next one drawn, unless it failed or a filter left nothing of it
        for i in drawn:
            chosen = await member(method.t, i)
            if chosen.reply and (chosen.text or chosen.reply.stop is not Stop.FILTERED):
                return chosen
        return None

    return [chosen for chosen in await asyncio.gather(*(one() for _ in range(count))) if chosen]


def draw_order(question_run: QuestionRun, method: Method) -> list[int]:
    """Return the places of the last population in the order in which they are drawn as the answer."""
    size = method.size(method.t)
    return address_random(question_run.seed, question_run.question.id, "answer").sample(range(size), size)


async def best_at_hand(question_run: QuestionRun) -> Member:
    """Return the majority of the deepest population with answers, or any reply of the deepest with one.

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
    """Await a task group; of the errors that it gathers, raise the first that is meant for a person."""
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
