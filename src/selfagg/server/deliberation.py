"""The deliberation on one request with the shared model, and its result."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from selfagg.errors import ModelError, SelfaggError, TooLong, UsageError
from selfagg.models.base import Model
from selfagg.prompts.prompt import Prompt, first
from selfagg.record.record import NullStore, Record
from selfagg.record.rows import CANDIDATE
from selfagg.run.engine import Callback, Engine, FinalSampling
from selfagg.run.limiter import FairLimiter
from selfagg.run.question_run import QuestionRun
from selfagg.run.runner import QuestionResult, answer, best_at_hand, draw_order
from selfagg.server.errors import APIError, api_error
from selfagg.server.plan import DeliberationPlan
from selfagg.types import Delta, Member, Reply, Usage

log = logging.getLogger("selfagg.server")


@dataclass(frozen=True)
class DeliberationResult:
    """The result of a deliberation.

    Attributes:
        members: The answers; at least one, each with a reply.
        own: Tokens of the client's own prompt and of the answers; estimated where the server did not report them.
        usage: Tokens of all calls, as far as the model's server told them.
        estimated: Tokens of the other calls, by estimate.
        calls: Number of the calls.
        copies: Members that were copied from a set whose candidates agree, without a call.
        closing: Closing calls: aggregations of members that agree, for an answer in the form that binds it.
        stopped: Whether an earlier population agreed and is the last, by the method's rule.
        populations: Members of each population that replied.
        cut_short: True if budget, deadline or a failing model ended the work, so that this is the best at hand.
        record: Id of its question in the record, or None.
        method: The method, with its settings.
        seed: The seed from which all sets followed.
    """

    members: tuple[Member, ...]
    own: Usage
    usage: Usage
    estimated: Usage
    calls: int
    populations: tuple[int, ...]
    cut_short: bool
    record: str | None
    method: Mapping[str, Any]
    seed: int
    copies: int = 0
    closing: int = 0
    stopped: bool = False

    @property
    def spent(self) -> Usage:
        """Return the tokens of all calls."""
        return self.usage + self.estimated

    @property
    def depth(self) -> int:
        """Population that the answer is of; a closing call is of none."""
        return self.members[0].t - bool(self.closing)


class Deliberator:
    """An engine for requests on one connection: all share its limiter, in turns."""

    def __init__(self, model: Model, call_limiter: FairLimiter, record: Record | None) -> None:
        self.model = model
        self.call_limiter = call_limiter
        self.record = record
        self._keeper = record or NullStore()

    async def run(
        self,
        plan: DeliberationPlan,
        name: str,
        *,
        callback: Callback | None = None,
        listener: Callable[[int, Delta], None] | None = None,
        usage: Callable[[Usage, int], None] | None = None,
        resumed: bool = False,
    ) -> DeliberationResult:
        """Deliberate on a request; if cancelled, end every call made for it.

        Args:
            plan: The plan of the deliberation.
            name: The request's id, under which a record keeps it.
            callback: Told of each member.
            listener: Told of the answer's text as it is written, where one member is the answer.
            usage: Told at the end of tokens and calls, whatever the end.
            resumed: True if the record may hold members of this request, which are not sampled again.

        Raises:
            APIError: There is no answer, and why.
        """
        try:
            return await self._run(plan, name, callback, listener, usage, resumed=resumed)
        except TooLong as error:
            raise api_error(error) from None
        except UsageError as error:  # of the record, by now: nothing that the client can mend
            log.error("%s", error)
            raise APIError(500, "this server cannot write its record", code="record_error") from None

    async def _run(
        self,
        plan: DeliberationPlan,
        name: str,
        callback: Callback | None,
        listener: Callable[[int, Delta], None] | None,
        usage: Callable[[Usage, int], None] | None,
        *,
        resumed: bool,
    ) -> DeliberationResult:
        position = await self._position(plan, name, resumed=resumed)
        final_sampling = FinalSampling(
            plan.method.t,
            plan.last,
            listener if plan.method.one_answer else None,
            votes=plan.choice == "majority",
            binds=plan.binds,
        )
        engine = Engine(
            self.model,
            plan.settings,
            self._keeper,
            call_limiter=self.call_limiter.request_limiter(),
            callback=callback,
            final_sampling=final_sampling,
        )
        question_run = QuestionRun(engine, plan.question, position, plan.method, max_total_tokens=plan.max_total_tokens)
        try:
            if resumed:
                # What the record does not keep of an answer (its tool calls) must be asked for again.
                await question_run.load(before=plan.method.t if "tools" in plan.last.extra_body else None)
            answered = await _answered(plan, engine, question_run)
            await question_run.scored()
        finally:
            await question_run.close()
            if usage:
                usage(question_run.usage, question_run.calls)
        replied = Counter(t for (t, _), member in question_run.members.items() if member.reply)
        members, stopped = (answered.member, *answered.others), question_run.stopped
        made = stopped.result() if stopped.done() else plan.method.t
        return DeliberationResult(
            members=members,
            own=await _own(plan, engine, question_run, members),
            usage=question_run.usage,
            estimated=question_run.estimated,
            calls=question_run.calls,
            populations=tuple(replied[t] for t in range(1, plan.method.t + 1)),
            cut_short=answered.cut_short,
            record=name if self.record else None,
            method=plan.method.settings(),
            seed=plan.settings.seed,
            copies=question_run.copies,
            closing=sum(member.t > made for member in members),
            stopped=stopped.done() and not answered.cut_short,
        )

    async def _position(self, plan: DeliberationPlan, name: str, *, resumed: bool) -> int:
        """Return the position of the request's question in the record."""
        if self.record is None:
            return 0
        found = self.record.query("SELECT position FROM questions WHERE id = ?", (name,)) if resumed else []
        return int(found[0][0]) if found else await self.record.add(replace(plan.question, id=name))

    async def forecast(self, plan: DeliberationPlan) -> list[int]:
        """Return the most members of each population that the answer needs; stopping and copying need fewer."""
        engine = Engine(self.model, plan.settings, NullStore(), call_limiter=self.call_limiter)
        rehearsal = _Rehearsal(engine, plan)
        last = plan.method.t
        uniform = plan.choice == "sample" and plan.method.one_answer
        try:
            for i in draw_order(rehearsal)[: plan.count if uniform else None]:
                await rehearsal.member(last, i)
        finally:
            await rehearsal.close()
        if plan.method.rule:  # it looks at whole populations
            return [*(plan.method.size(t) for t in range(1, last)), rehearsal.counts[last]]
        return [rehearsal.counts[t] for t in range(1, last + 1)]


async def _answered(plan: DeliberationPlan, engine: Engine, question_run: QuestionRun) -> QuestionResult:
    try:
        return await answer(question_run, choice=plan.choice, deadline_s=plan.deadline_s, count=plan.count)
    except UsageError:
        raise
    except SelfaggError as error:
        await question_run.stop()
        if plan.binds:  # no member at hand has the form that is asked for
            raise api_error(error, engine.failure) from None
        try:
            return QuestionResult(await best_at_hand(question_run), cut_short=True)
        except ModelError:
            raise api_error(error, engine.failure) from None


async def _own(plan: DeliberationPlan, engine: Engine, question_run: QuestionRun, members: tuple[Member, ...]) -> Usage:
    """Return the tokens of the client's prompt, which each member of the first population answered, and of the answers.

    The prompts of later populations hold candidates, which are not the client's.
    """
    asked = [member.reply.usage for (t, _), member in sorted(question_run.members.items()) if t == 1 and member.reply]
    told = next((usage for usage in asked if not usage.unknown), None)
    own = Usage(told.prompt, told.cached) if told else await engine.estimate(first(plan.question), Reply(""))
    own = replace(own, completion=0)
    for member in members:
        reply = member.reply or Reply("")
        counted = await engine.estimate(first(plan.question), reply) if reply.usage.unknown else reply.usage
        own += Usage(completion=counted.completion, reasoning=counted.reasoning)
    return own


class _Rehearsal(QuestionRun):
    """A simulated question run that counts calls: its members are there at once, with empty replies."""

    def __init__(self, engine: Engine, plan: DeliberationPlan) -> None:
        super().__init__(engine, plan.question, 0, plan.method)
        self.rule = None
        self.counts: Counter[int] = Counter()

    async def sample(self, t: int, i: int, prompt: Prompt, role: str = CANDIDATE) -> Member:
        self.counts[t] += 1
        return Member(t, i, tuple(candidate.i for candidate in prompt.candidates), Reply(""))
