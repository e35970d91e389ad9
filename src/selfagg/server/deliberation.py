"""One request's deliberation on the shared model: the trial, and what came of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from selfagg.engine.agreement import Agreement
from selfagg.engine.engine import Engine, Finale, Watcher
from selfagg.engine.fair import FairGate
from selfagg.engine.keeping import Nowhere
from selfagg.engine.record import Record
from selfagg.engine.rows import CANDIDATE
from selfagg.engine.run import Answered, answer, best_at_hand, draw_order
from selfagg.engine.trial import Trial
from selfagg.errors import ModelError, SelfaggError, TooLong, UsageError
from selfagg.models.base import Model
from selfagg.prompts.prompt import Prompt
from selfagg.server.errors import ApiError, api_error
from selfagg.server.plan import Plan
from selfagg.types import Delta, Member, Reply, Usage

log = logging.getLogger("selfagg.server")


@dataclass(frozen=True)
class Outcome:
    """What a deliberation gave.

    Attributes:
        members: The answers; at least one, each with a reply.
        usage: Tokens of all calls, as far as the model's server told them.
        estimated: Tokens of the other calls, by estimate.
        calls: How many those were.
        copies: Members that were copied from a set whose candidates agree, without a call.
        stopped: Whether an earlier population agreed and is the last, by the method's rule.
        populations: Members of each population that replied.
        cut_short: Whether budget, deadline or a failing model ended the work, so that this is the best at hand.
        record: Id of its question in the record, or None.
    """

    members: tuple[Member, ...]
    usage: Usage
    estimated: Usage
    calls: int
    populations: tuple[int, ...]
    cut_short: bool
    record: str | None
    copies: int = 0
    stopped: bool = False


class Deliberator:
    """Answers requests on one connection: all share its gate, in turns."""

    def __init__(self, model: Model, gate: FairGate, record: Record | None) -> None:
        self.model = model
        self.gate = gate
        self.record = record
        self._keeper = record or Nowhere()

    async def run(
        self,
        plan: Plan,
        name: str,
        *,
        watcher: Watcher | None = None,
        listener: Callable[[int, Delta], None] | None = None,
        usage: Callable[[Usage, int], None] | None = None,
    ) -> Outcome:
        """Deliberates; cancelling ends every call made for it.

        Args:
            plan: What to do.
            name: The request's id, under which a record keeps it.
            watcher: Told of each member.
            listener: Told of the answer's text as it is written, where one member is the answer.
            usage: Told at the end of tokens and calls, whatever the end.

        Raises:
            ApiError: There is no answer, and why.
        """
        try:
            return await self._run(plan, name, watcher, listener, usage)
        except TooLong as error:
            raise api_error(error) from None
        except UsageError as error:  # of the record, by now: nothing that the client can mend
            log.error("%s", error)
            raise ApiError(500, "this server cannot write its record", code="record_error") from None

    async def _run(
        self,
        plan: Plan,
        name: str,
        watcher: Watcher | None,
        listener: Callable[[int, Delta], None] | None,
        usage: Callable[[Usage, int], None] | None,
    ) -> Outcome:
        position = await self.record.add(replace(plan.question, id=name)) if self.record else 0
        finale = Finale(
            plan.method.t, plan.last, listener if plan.choice == "sample" and plan.method.one_answer else None
        )
        engine = Engine(
            self.model,
            plan.settings,
            self._keeper,
            gate=self.gate.lane(),
            watcher=watcher,
            finale=finale,
        )
        trial = Trial(engine, plan.question, position, plan.method, max_total_tokens=plan.max_total_tokens)
        try:
            answered = await _answered(plan, engine, trial)
            await trial.scored()
        finally:
            await trial.close()
            if usage:
                usage(trial.usage, trial.calls)
        replied = Counter(t for (t, _), member in trial.members.items() if member.reply)
        return Outcome(
            members=(answered.member, *answered.others),
            usage=trial.usage,
            estimated=trial.estimated,
            calls=trial.calls,
            populations=tuple(replied[t] for t in range(1, plan.method.t + 1)),
            cut_short=answered.cut_short,
            record=name if self.record else None,
            copies=trial.copies,
            stopped=trial.agreement.stopped.done() and not answered.cut_short,
        )

    async def forecast(self, plan: Plan) -> list[int]:
        """How many members of each population the answer needs: at most so many where it may stop or copy."""
        engine = Engine(self.model, plan.settings, Nowhere(), gate=self.gate)
        rehearsal = _Rehearsal(engine, plan)
        member, last = plan.method.members(rehearsal), plan.method.t
        uniform = plan.choice == "sample" and plan.method.one_answer
        try:
            for i in draw_order(rehearsal, plan.method)[: plan.count if uniform else None]:
                await member(last, i)
        finally:
            await rehearsal.close()
        if plan.method.rule:  # it looks at whole populations
            return [*(plan.method.size(t) for t in range(1, last)), rehearsal.counts[last]]
        return [rehearsal.counts[t] for t in range(1, last + 1)]


async def _answered(plan: Plan, engine: Engine, trial: Trial) -> Answered:
    try:
        return await answer(trial, plan.method, choice=plan.choice, deadline_s=plan.deadline_s, count=plan.count)
    except UsageError:
        raise
    except SelfaggError as error:
        await trial.stop()
        try:
            return Answered(await best_at_hand(trial), cut_short=True)
        except ModelError:
            raise api_error(error, engine.failure) from None


class _Rehearsal(Trial):
    """A trial whose members are there at once and say nothing."""

    def __init__(self, engine: Engine, plan: Plan) -> None:
        super().__init__(engine, plan.question, 0, plan.method)
        self.agreement = Agreement(None, plan.method.size, self.groups)
        self.counts: Counter[int] = Counter()

    async def sample(self, t: int, i: int, prompt: Prompt, role: str = CANDIDATE) -> Member:
        self.counts[t] += 1
        return Member(t, i, tuple(candidate.i for candidate in prompt.candidates), Reply(""))
