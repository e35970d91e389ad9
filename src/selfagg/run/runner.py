"""Run a method: every member for the questions of an evaluation, or only the members that one answer needs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from selfagg.errors import ModelError, UsageError
from selfagg.methods.base import Method
from selfagg.prompts import aggregation, first
from selfagg.record.rows import CLOSING
from selfagg.run.engine import Engine, Settings
from selfagg.run.question_run import QuestionRun
from selfagg.run.stopping import next_wave
from selfagg.run.subsets import address_random
from selfagg.scoring import incomparable
from selfagg.types import Member, Question, Stop

if TYPE_CHECKING:
    from selfagg.record.record import Store

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
    """Compute and score every member for every question, into the engine's record, which has begun with them.

    Only as many questions are open at a time as keep the model busy, so memory does not grow with the run. With
    ``only``, just the questions at these positions are worked on. On the schedule ``free`` a member starts when its
    parents are done; ``stepwise``, for comparisons, when the whole population before it is, as in the paper's scripts.

    Raises:
        RunStopped: The model is gone. What was finished is in the record.
        UsageError: A question does not fit the model's context (found before the first call).
    """
    done = finished_questions(engine.record)
    positions = range(len(questions)) if only is None else only
    open_questions = [(position, questions[position]) for position in positions if position not in done]
    for _, question in open_questions:
        check_comparable(method, question, engine.settings)
        await engine.fit(first(question), engine.model.context)
    places = asyncio.Semaphore(questions_at_once(engine.call_queue.limit, method.n))

    async def everything() -> None:
        async with asyncio.TaskGroup() as group:
            for position, question in open_questions:
                await places.acquire()
                task = group.create_task(evaluate_question(engine, method, question, position, schedule=schedule))
                task.add_done_callback(lambda _: places.release())

    engine.callback.started(engine.record)
    try:
        await first_error_only(everything())
    finally:
        engine.callback.ended()
        await engine.record.drain()


def questions_at_once(calls: int, n: int) -> int:
    """Return the number of questions to keep open so that ``calls`` calls find work: some of n members wait.

    With spread lengths less than half of them run at a time. In a simulation of RSA 16/4/10 (``benchmarks.cluster``)
    64 calls at once are busy 91 % of the time with twice as many members open as calls, 98 % with three times or more.
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


async def evaluate_question(
    engine: Engine, method: Method, question: Question, position: int, *, schedule: Schedule = "free"
) -> None:
    """Compute and score every member for one question."""
    run = QuestionRun(engine, question, position, method)
    try:
        await run.load()
        computed = await _until_stopped(run, _every(run, schedule))
        await run.scored()
        await run.group()
        last = [run.members[member.t, member.i] for member in computed]
        weights = await (method.weigh(run, last) if last[0].t == method.t else run.vote(last))
        await engine.record.save_weights(position, weights)
        engine.callback.finished(position)
    finally:
        await run.close()


async def _every(run: QuestionRun, schedule: Schedule) -> list[Member]:
    """Compute every member of every population; return the last population."""
    before = range(1, run.method.t)
    if schedule == "stepwise":
        for t in before:
            await run.population(t)
    *_, last = await asyncio.gather(*map(run.population, before), _last(run))
    return last


async def _until_stopped(run: QuestionRun, work: Coroutine[Any, Any, list[Member]]) -> list[Member]:
    """Await the work's population; or end the work when an earlier population is enough, and return that one."""
    found = await _unless(run.stopped, work)
    return await run.population(run.stopped.result()) if run.stopped.done() or found is None else found


async def _unless(event: asyncio.Future[Any], work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T | None:
    """Return the work's result; end the work and return None if the event comes first, or the time is over."""
    working = asyncio.ensure_future(work)
    try:
        either: set[asyncio.Future[Any]] = {working, event}
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _last(run: QuestionRun) -> list[Member]:
    """Compute the last population: all of it, or in waves until the method's rule ends the vote."""
    t, rule = run.method.t, run.method.vote_rule
    if rule is None:
        return await run.population(t)
    size = run.method.size(t)
    population: list[Member] = []
    voters: list[int] = []
    while True:
        state = (size, voters, size - len(population))
        if rule.decided(*state):
            return population
        places = range(len(population), len(population) + next_wave(rule, *state))
        population += await asyncio.gather(*(run.member(t, i) for i in places))
        voters = await run.voters(population)


# -- one answer


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """The outcome for one question: the member whose response is the answer."""

    member: Member
    cut_short: bool  # a budget or a deadline ended the work before the method was through
    others: tuple[Member, ...] = ()  # of the last population, where more than one answer was asked for


def default_answer(method: Method, question: Question, settings: Settings) -> Choice:
    """Return the choice of the answer where nobody says.

    By the method's own setting; else by a vote where answers can be compared and every member is as good as another;
    else by drawing a member.
    """
    if own := getattr(method, "answer", None):
        return "majority" if own == "majority" else "sample"
    votes = method.uniform and method.size(method.t) > 1
    return "majority" if votes and (settings.scorer is not None or not incomparable(question)) else "sample"


async def answer(
    run: QuestionRun,
    *,
    choice: Choice = "sample",
    schedule: Schedule = "free",
    deadline_s: float | None = None,
    count: int = 1,
) -> QuestionResult:
    """Compute the answer to one question that is loaded, and no member that the answer does not need.

    It is one member of the last population, drawn uniformly (only its ancestors are computed), or the method's own
    choice where it has one; with the choice ``majority`` the most frequent answer of the last population. ``count``
    answers are that many members. When the budget is spent or the deadline passes first, it is the best one at hand.

    Raises:
        ModelError: Nobody has answered, or not in the form that binds the answer.
        RunStopped: The model is gone.
    """
    found = await _unless(run.spent, _chosen(run, choice, schedule, count), deadline_s)
    if found is None:
        await run.stop()
        return QuestionResult(await best_at_hand(run), cut_short=True)
    chosen = [member for member in found if member.reply]
    if not chosen and run.closes:
        failed = [(t, member.error) for (t, _), member in run.members.items() if member.error]
        why = max(failed)[1] if failed else "no member replied"  # of the deepest
        raise ModelError(f"no answer in the form that is asked for: {why}")
    member, *others = chosen or [await best_at_hand(run)]
    return QuestionResult(member, cut_short=False, others=tuple(others))


async def _chosen(run: QuestionRun, choice: Choice, schedule: Schedule, count: int) -> list[Member]:
    """Return the answer, and further members of its population as far as more are wanted."""
    chosen = await _until_stopped(run, _needed(run, choice, schedule, count))
    if run.closes and (run.stopped.done() or choice == "majority"):
        return await _closed(run, chosen, count)
    if run.stopped.done():
        agreeing = [member for group in await run.groups(chosen) for member in group]
        chosen = [*agreeing, *(member for member in chosen if member not in agreeing)]
    return chosen[:count]


async def _needed(run: QuestionRun, choice: Choice, schedule: Schedule, count: int) -> list[Member]:
    """Compute what the answer needs; return the members to choose from, the answer first."""
    method = run.method
    if schedule == "stepwise":
        await _every(run, schedule)
    # Whether the question goes on after a population may depend on any of its members.
    deciding = map(run.population, range(1, method.t) if method.rule else ())
    if choice == "sample" and method.one_answer:
        *_, drawn = await asyncio.gather(*deciding, _drawn(run, count))
        return drawn
    *_, population = await asyncio.gather(*deciding, _last(run))
    weights = await (run.vote(population) if choice == "majority" else method.weigh(run, population))
    (first,) = address_random(run.seed, run.question.id, "answer").choices(population, weights)
    return sorted(population, key=lambda member: (member.i != first.i, -weights[member.i], member.i))


async def _drawn(run: QuestionRun, count: int) -> list[Member]:
    """Compute members of the last population in the order in which they are drawn, until so many are there."""
    drawn = iter(draw_order(run))

    async def one() -> Member | None:  # the next one drawn, unless it failed or a filter left nothing of it
        for i in drawn:
            member = await run.member(run.method.t, i)
            if member.reply and (member.text or member.reply.stop is not Stop.FILTERED):
                return member
        return None

    return [member for member in await asyncio.gather(*(one() for _ in range(count))) if member]


def draw_order(run: QuestionRun) -> list[int]:
    """Return the places of the last population in the order in which they are drawn as the answer."""
    size = run.method.size(run.method.t)
    return address_random(run.seed, run.question.id, "answer").sample(range(size), size)


async def _closed(run: QuestionRun, chosen: Sequence[Member], count: int) -> list[Member]:
    """Give the answer that most members give in the form that binds it: one aggregation of K of them an answer.

    The K are the first by place. Where no member has an answer, they are the first that are chosen.

    Raises:
        ModelError: The call failed.
    """
    groups = await run.groups(sorted(chosen, key=lambda member: member.i))
    agreeing = groups[0] if groups else [member for member in chosen if member.reply]
    if not agreeing:
        return []
    prompt = aggregation(run.question, agreeing[: run.method.parents])
    closing = await asyncio.gather(*(run.sample(agreeing[0].t + 1, i, prompt, CLOSING) for i in range(count)))
    if errors := [member.error for member in closing if member.error]:
        raise ModelError(f"the closing call failed: {errors[0]}")
    return closing


async def best_at_hand(run: QuestionRun) -> Member:
    """Return the majority of the deepest population with answers, or any reply of the deepest with one.

    Raises:
        ModelError: There is no reply at all.
    """
    done = sorted(run.members.values(), key=lambda member: (-member.t, member.i))
    replied = [member for member in done if member.reply]
    if not replied:
        errors = [member.error for _, member in sorted(run.members.items()) if member.error]
        raise ModelError(f"no answer: {errors[0] if errors else 'the budget or the deadline ended before any reply'}")
    for _, population in groupby(replied, key=lambda member: member.t):
        if groups := await run.groups(list(population)):
            return groups[0][0]
    return replied[0]


async def first_error_only(work: Coroutine[Any, Any, T]) -> T:
    """Await a task group; of the errors that it gathers, raise the first that is meant for a person."""
    try:
        return await work
    except BaseExceptionGroup as group:
        error: BaseException = group.subgroup(UsageError) or group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
