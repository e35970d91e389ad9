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
from selfagg.run.call_queue import CallQueue
from selfagg.run.engine import Callback, Engine, FinalSampling
from selfagg.run.question_run import QuestionRun
from selfagg.run.runner import QuestionResult, answer, best_at_hand, draw_order
from selfagg.server.errors import APIError, api_error
from selfagg.server.plan import DeliberationPlan
from selfagg.types import Delta, Member, Reply, Usage

log = logging.getLogger("selfagg.server")


@dataclass(frozen=True)
class DeliberationResult:
    """The result of a deliberation: at least one member that is an answer, each with a reply.

    Attributes:
        own: Tokens of the client's own prompt and of the answers; estimated where the server did not report them.
        spent: Tokens of all calls, by estimate where the server did not report them.
        closing: Closing calls: aggregations of members that agree, for an answer in the form that binds it.
        cut_short: True if budget, deadline or a failing model ended the work, so that this is the best at hand.
        account: All that was spent, and how the answer came about: ``usage.selfagg`` of every API.
    """

    members: tuple[Member, ...]
    own: Usage
    spent: Usage
    calls: int
    closing: int
    cut_short: bool
    account: Mapping[str, Any]


def tokens(usage: Usage) -> dict[str, Any]:
    """Return tokens as chat completions tells them."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


class Deliberator:
    """Answers requests on one connection: all share its limiter, in turns; a record keeps what is generated."""

    def __init__(self, model: Model, call_queue: CallQueue, record: Record | None) -> None:
        self.model, self.call_queue, self.record = model, call_queue, record

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
        """Deliberate on a request, which a record keeps by this name; if cancelled, end every call made for it.

        ``callback`` is told of each member, ``listener`` of the answer's text as it is written, where one member is the
        answer, ``usage`` at the end of tokens and calls, whatever the end. If ``resumed``, the record may hold members
        of this request, which are not sampled again.

        Raises:
            APIError: There is no answer, and why.
        """
        method, votes = plan.method, plan.choice == "majority"
        listener = listener if method.one_answer else None
        final_sampling = FinalSampling(method.t, plan.last, listener, votes=votes, binds=plan.binds)
        engine = Engine(
            self.model,
            plan.settings,
            self.record or NullStore(),
            call_queue=self.call_queue.request(),
            callback=callback,
            final_sampling=final_sampling,
        )
        try:
            position = await self._position(plan, name, resumed=resumed)
            question_run = QuestionRun(engine, plan.question, position, method, max_total_tokens=plan.max_total_tokens)
            try:
                if resumed:
                    # What the record does not keep of an answer (its tool calls) must be asked for again.
                    await question_run.load(before=method.t if "tools" in plan.last.extra_body else None)
                answered = await _answered(plan, engine, question_run)
                await question_run.scored()
            finally:
                await question_run.close()
                if usage:
                    usage(question_run.usage, question_run.calls)
            return await _result(plan, engine, question_run, answered, name if self.record else None)
        except TooLong as error:
            raise api_error(error) from None
        except UsageError as error:  # of the record, by now: nothing that the client can mend
            log.error("%s", error)
            raise APIError(500, "this server cannot write its record", code="record_error") from None

    async def _position(self, plan: DeliberationPlan, name: str, *, resumed: bool) -> int:
        if self.record is None:
            return 0
        found = self.record.query("SELECT position FROM questions WHERE id = ?", (name,)) if resumed else []
        return int(found[0][0]) if found else await self.record.add(replace(plan.question, id=name))

    async def forecast(self, plan: DeliberationPlan) -> list[int]:
        """Return the most members of each population that the answer needs; stopping and copying need fewer."""
        engine = Engine(self.model, plan.settings, NullStore(), call_queue=self.call_queue)
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


async def _result(
    plan: DeliberationPlan, engine: Engine, question_run: QuestionRun, answered: QuestionResult, record: str | None
) -> DeliberationResult:
    replied = Counter(t for (t, _), member in question_run.members.items() if member.reply)
    members, stopped, last = (answered.member, *answered.others), question_run.stopped, plan.method.t
    closing = sum(member.t > (stopped.result() if stopped.done() else last) for member in members)
    own, spent = await _own(plan, engine, question_run, members), question_run.usage + question_run.estimated
    settings = plan.method.settings()
    account = {
        "method": settings,
        "calls": question_run.calls,
        "calls_without_usage": question_run.usage.unknown,  # the tokens of so many are estimated
        **tokens(spent),
        "copies": question_run.copies,
        "closing": closing,
        "depth": members[0].t - bool(closing),  # a closing call is of no population
        "chosen": [[member.t, member.i] for member in members],
        "stopped": settings.get("stop") if stopped.done() and not answered.cut_short else None,
        "populations": [replied[t] for t in range(1, last + 1)],
        "answer": tokens(own),
        "cut_short": answered.cut_short,
        "seed": plan.settings.seed,
        "record": record,
    }
    return DeliberationResult(members, own, spent, question_run.calls, closing, answered.cut_short, account)


async def _own(plan: DeliberationPlan, engine: Engine, question_run: QuestionRun, members: tuple[Member, ...]) -> Usage:
    """Return the tokens of the client's prompt, which each member of the first population answered, and of the answers.

    The prompts of later populations hold candidates, which are not the client's.
    """
    asked = [member.reply.usage for (t, _), member in sorted(question_run.members.items()) if t == 1 and member.reply]
    told = next((usage for usage in asked if not usage.unknown), None)
    prompt = told or await engine.estimate(first(plan.question), Reply(""))
    own = Usage(prompt.prompt, prompt.cached)
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
