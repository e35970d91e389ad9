"""Everything that the questions of a run share: the model, the bound on its calls, the record, the scorers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from selfagg.errors import ContextOverflow, ModelError, RunStopped
from selfagg.models.base import Limited, Model, Streams, fingerprint
from selfagg.prompts.fit import Fitted, fit, reply_room
from selfagg.prompts.prompt import CandidateFormat, Prompt, candidate_format_named
from selfagg.prompts.wording import Wording
from selfagg.record.rows import CANDIDATE, CLOSING, Generation
from selfagg.run.call_queue import CallQueue, RequestQueue
from selfagg.run.subsets import address_seed
from selfagg.scoring.base import Scorer
from selfagg.types import Delta, Member, Question, Reply, Request, Sampling, Usage

if TYPE_CHECKING:
    from selfagg.record.record import Store

TIGHTENED = 0.6
"""The share of its room that a prompt keeps at each further attempt, if the model found the prompt too long."""

ATTEMPTS = 6

FAILURES_IN_A_ROW = 16
"""The number of failed calls that stops a run, each tried again before, if none between them worked."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The sampling settings of a run, whatever its method.

    Attributes:
        sampling: Temperature and what goes with it.
        seed: Decides the aggregation sets and the members' seeds (the paper's scripts have 1234).
        candidate: Part of a candidate that an aggregation shows: response, reasoning, answer, tail:TOKENS.
        wording: The words of the prompts: a TOML file, see docs/python.md (our own).
        scorer: A scorer that a package registers (by the question's kind).
    """

    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 1234
    candidate: str = "response"
    wording: Wording = field(default_factory=Wording)
    scorer: Scorer | None = None


@dataclass(frozen=True, slots=True)
class FinalSampling:
    """The sampling of calls whose reply is the answer: members of the last population, or a closing call.

    Where it ``binds`` the answer's form, a vote and a population that stops the question end with a closing call, and
    no answer is a copy.
    """

    t: int  # the last population
    sampling: Sampling  # with a response format, tools, stop strings
    listener: Callable[[int, Delta], None] | None = None  # told of each piece of member i's reply as it is written
    votes: bool = False  # none of the last population is the answer before all are there
    binds: bool = False

    def of(self, role: str, t: int) -> FinalSampling | None:
        """Return how a call with this role and population is sampled as the answer; None if it is not the answer."""
        if role == CLOSING:
            return self
        if (role, t) != (CANDIDATE, self.t) or (self.votes and self.binds):
            return None
        return replace(self, listener=None) if self.votes else self


class Callback:
    """A receiver of events in a run, for subclasses such as a live view. Called on the event loop: be quick."""

    def started(self, record: Store) -> None:
        """React to the begin of a run, or to its continuation with what the record has."""

    def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
        """React to a generation: ``fresh`` from the model, else from the record."""

    def scored(self, question: int, member: Member) -> None:
        """React to the answer and the score of a member of a population."""

    def finished(self, question: int) -> None:
        """React to the end of a question: all that the run needs of it is done."""

    def ended(self) -> None:
        """React to the end of the run, complete or not."""

    def waiting(self, why: str | None) -> None:
        """React to the reason for which no call is made now (server gone, or rate limited); None: calls go on."""


class Engine:
    """A sampler of members: at most ``concurrency`` at once, each one recorded before anybody gets it."""

    def __init__(
        self,
        model: Model,
        settings: Settings,
        record: Store,
        *,
        concurrency: int | None = None,  # None: what the connection serves well
        callback: Callback | None = None,
        call_queue: CallQueue | RequestQueue | None = None,  # shared with other engines
        final_sampling: FinalSampling | None = None,
        as_recorded: bool = False,  # a replay: what failed is not asked again, questions end where the record has it
    ) -> None:
        self.model, self.settings, self.record = model, settings, record
        limiter = model.limiter if isinstance(model, Limited) else None
        self.call_queue = call_queue or CallQueue(concurrency or model.concurrency, limiter)
        self.callback, self.final_sampling = callback or Callback(), final_sampling
        self.as_recorded = as_recorded
        self.candidate_format: CandidateFormat = candidate_format_named(settings.candidate)
        self.failure: ModelError | None = None  # of the last failed call
        self._failures = 0
        self._stopped: RunStopped | None = None
        if limiter:
            limiter.listeners.add(self.callback)

    async def sample(
        self, question: Question, position: int, t: int, i: int, prompt: Prompt, *, method: str, role: str
    ) -> Member:
        """Sample one member by a call to the model; return a failed call as a member with an error.

        Raises:
            RunStopped: The model is gone, or refuses everything.
        """
        member = Member(t, i, tuple(candidate.i for candidate in prompt.candidates))
        # The first population is the same for every method, so that methods can be compared on the same samples.
        seed = address_seed(self.settings.seed, question.id, method if t > 1 else "first", role, t, i)
        if member.parents and not prompt.shown:
            member = replace(member, error="none of its parents has a reply")
            return await self.keep(Generation(position, member, role, seed=seed, started=time.time()))
        async with self.call_queue.enter((position, -t, i)):
            if self._stopped:
                raise self._stopped
            generation = Generation(position, member, role, seed=seed, started=time.time())
            try:
                reply, fitted = await self._reply(question, prompt, generation)
            except ModelError as error:
                self._failed(error)
                generation = replace(generation, member=replace(member, error=str(error)), tries=error.tries)
            else:
                self._failures, sent = 0, fingerprint(fitted.messages)
                generation = replace(generation, member=replace(member, reply=reply), prompt=sent, cut=fitted.cut)
        return await self.keep(generation)

    async def keep(self, generation: Generation) -> Member:
        """Record a generation, tell of it, and return its member."""
        await self.record.save(generation)
        self.callback.generated(generation.question, generation.member, generation.role, fresh=True)
        return generation.member

    def _failed(self, error: ModelError) -> None:
        """Count a failed call; raise RunStopped if no further one has hope."""
        self.failure = error
        self._failures += 1
        if error.fatal or error.gone:
            self._stopped = RunStopped(str(error), fatal=error.fatal)
        elif self._failures >= FAILURES_IN_A_ROW:
            self._stopped = RunStopped(f"{FAILURES_IN_A_ROW} calls in a row failed; the last: {error}")
        if self._stopped:
            raise self._stopped from error

    async def _reply(self, question: Question, prompt: Prompt, generation: Generation) -> tuple[Reply, Fitted]:
        """Fit the prompt and send it; if the model still finds the prompt too long, shorten it and try again."""
        i, context = generation.member.i, self.model.context
        last = self.final_sampling.of(generation.role, generation.member.t) if self.final_sampling else None
        sampling = last.sampling if last else self.settings.sampling
        if prompt.temperature is not None:
            sampling = replace(sampling, temperature=prompt.temperature)
        shown = question if getattr(self.model, "sees_gold", False) else replace(question, gold=None, data={})
        for attempt in range(1, ATTEMPTS + 1):
            fitted = await self.fit(prompt, context)
            request = Request(
                fitted.messages,
                replace(sampling, max_tokens=fitted.max_tokens),
                generation.seed,
                shown,
                prompt.shown,
                verbatim=last is not None,
                run_seed=self.settings.seed,
                place=i,
            )
            try:
                if last is None or last.listener is None or not isinstance(self.model, Streams):
                    return await self.model.sample(request), fitted
                async with aclosing(self.model.stream(request)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Reply):
                            return piece, fitted
                        last.listener(i, piece)
                raise ModelError("the model's stream ended without a reply")
            except ContextOverflow:
                if attempt == ATTEMPTS or not prompt.shown:
                    raise
                context = int(await self.model.count_tokens(fitted.messages) * TIGHTENED) + fitted.max_tokens
        raise AssertionError("the last attempt returns or raises")

    async def fit(self, prompt: Prompt, context: int | None) -> Fitted:
        """Fit a prompt, in the run's words, to a context of ``context`` tokens."""
        room = reply_room(self.settings.sampling.max_tokens, context)
        if prompt.max_tokens is not None:
            room = min(room, prompt.max_tokens)
        worded = replace(prompt, wording=self.settings.wording)
        return await fit(worded, self.candidate_format, self.model, room, context)

    async def estimate(self, prompt: Prompt, reply: Reply) -> Usage:
        """Return an estimate of the tokens of a call without reported ones, as if all candidates were shown whole."""
        messages = (await self.fit(prompt, None)).messages
        written = {"role": "assistant", "content": reply.reasoning + reply.text}
        counted = await asyncio.gather(self.model.count_tokens(messages), self.model.count_tokens([written]))
        return Usage(prompt=counted[0], completion=counted[1])
