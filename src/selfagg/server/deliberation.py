"""The deliberation on one request with the shared model: its result, and its events in order, as a stream tells them.

Every API writes the events in its own words; a deliberation knows none of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

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
from selfagg.server.progress import progress_line
from selfagg.types import Delta, Member, Reply, Stop, Usage

log = logging.getLogger("selfagg.server")


@dataclass(frozen=True)
class DeliberationResult:
    """The result of a deliberation; tokens are estimated where the server did not report them."""

    members: tuple[Member, ...]  # the answers: at least one, each with a reply
    own: Usage  # tokens of the client's own prompt and of the answers
    spent: Usage  # tokens of all calls
    account: Mapping[str, Any]  # all that was spent, and how the answer came about: ``usage.selfagg`` of every API

    @property
    def replies(self) -> list[Reply]:
        """Return the answers."""
        return [member.reply for member in self.members if member.reply]


@dataclass(frozen=True, slots=True)
class MemberDone:
    """One more member is done, and a line that tells of it."""

    member: Member
    line: str
    needed: Sequence[int]  # members of each population that the answer needs, at most
    late: bool  # nobody needs to be told: the answer is being written already, or it takes no other member


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer: of its text, of the model's own reasoning."""

    index: int  # of the answer; the first is 0
    text: str
    reasoning: str
    fields: Mapping[str, Any]  # further ones of the message, as chat completions has them: tool calls, a refusal
    logprobs: Any


@dataclass(frozen=True, slots=True)
class Ended:
    """An answer is whole; ``finish`` says why it ended, in the words of chat completions."""

    index: int
    finish: str


Event = MemberDone | Piece | Ended | DeliberationResult | None
"""The last one of a deliberation is its result; None: nothing has happened for a while."""


class Deliberator:
    """Answers requests on one connection: all share its limiter, in turns; a record keeps what is generated."""

    def __init__(self, model: Model, call_queue: CallQueue, record: Record | None) -> None:
        self.model, self.call_queue, self.record = model, call_queue, record

    async def events(
        self, plan: DeliberationPlan, name: str, *, keep_alive_s: float | None, live: bool = True, **how: Any
    ) -> AsyncGenerator[Event, None]:
        """Deliberate as `run` does, and yield what happens; closing the generator ends the work.

        After a silence of ``keep_alive_s`` seconds None comes (None: never). If ``live``, the answer is handed out
        while the model writes it, else when it is recorded.

        Raises:
            APIError: There is no answer, or it broke off.
        """
        story = _Story(plan, await self.forecast(plan))
        listener = story.told if live else None
        work = asyncio.ensure_future(self.run(plan, name, callback=story, listener=listener, **how))
        work.add_done_callback(lambda _: story.heard.put_nowait(None))
        try:
            while True:
                try:
                    async with asyncio.timeout(keep_alive_s):
                        heard = await story.heard.get()
                except TimeoutError:
                    yield None
                    continue
                if heard is None:
                    break
                for event in story.take(heard):
                    yield event
            for event in story.end(await work):
                yield event
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

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
        engine = Engine(
            self.model,
            plan.settings,
            self.record or NullStore(),
            call_queue=self.call_queue.request(),
            callback=callback,
            final_sampling=FinalSampling(method.t, plan.last, listener, votes=votes, binds=plan.binds),
        )
        try:
            position = await self._position(plan, name, resumed=resumed)
            question_run = QuestionRun(engine, plan.question, position, method, max_total_tokens=plan.max_total_tokens)
            try:
                if resumed:
                    # What the record does not keep of an answer (its tool calls) must be asked for again.
                    await question_run.load(before=method.t if "tools" in plan.last.extra_body else None)
                answered = await _answered(plan, question_run)
                await question_run.scored()
            finally:
                await question_run.close()
                if usage:
                    usage(question_run.usage, question_run.calls)
            return await _result(plan, question_run, answered, name if self.record else None)
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
        rehearsal, method = _Rehearsal(engine, plan), plan.method
        drawn = plan.count if plan.choice == "sample" and method.one_answer else None
        try:
            for i in draw_order(rehearsal)[:drawn]:
                await rehearsal.member(method.t, i)
        finally:
            await rehearsal.close()
        whole = range(1, method.t if method.rule else 1)  # a rule looks at whole populations
        return [method.size(t) if t in whole else rehearsal.counts[t] for t in range(1, method.t + 1)]


class _Rehearsal(QuestionRun):
    """A simulated question run that counts calls: its members are there at once, with empty replies."""

    def __init__(self, engine: Engine, plan: DeliberationPlan) -> None:
        super().__init__(engine, plan.question, 0, plan.method)
        self.rule = None
        self.counts: Counter[int] = Counter()

    async def sample(self, t: int, i: int, prompt: Prompt, role: str = CANDIDATE) -> Member:
        self.counts[t] += 1
        return Member(t, i, tuple(candidate.i for candidate in prompt.candidates), Reply(""))


async def _answered(plan: DeliberationPlan, question_run: QuestionRun) -> QuestionResult:
    try:
        return await answer(question_run, choice=plan.choice, deadline_s=plan.deadline_s, count=plan.count)
    except UsageError:
        raise
    except SelfaggError as error:
        await question_run.stop()
        refusal = api_error(error, question_run.engine.failure)
        if plan.binds:  # no member at hand has the form that is asked for
            raise refusal from None
        try:
            return QuestionResult(await best_at_hand(question_run), cut_short=True)
        except ModelError:
            raise refusal from None


async def _result(
    plan: DeliberationPlan, question_run: QuestionRun, answered: QuestionResult, record: str | None
) -> DeliberationResult:
    replied = Counter(t for (t, _), member in question_run.members.items() if member.reply)
    members, stopped, last = (answered.member, *answered.others), question_run.stopped, plan.method.t
    closing = sum(member.t > (stopped.result() if stopped.done() else last) for member in members)
    own, spent = await _own(plan, question_run, members), question_run.usage + question_run.estimated
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
    return DeliberationResult(members, own, spent, account)


async def _own(plan: DeliberationPlan, question_run: QuestionRun, members: tuple[Member, ...]) -> Usage:
    """Return the tokens of the client's prompt, which each member of the first population answered, and of the answers.

    The prompts of later populations hold candidates, which are not the client's.
    """
    asked, estimate = first(plan.question), question_run.engine.estimate
    firsts = [member.reply for (t, _), member in sorted(question_run.members.items()) if t == 1 and member.reply]
    told = next((reply.usage for reply in firsts if not reply.usage.unknown), None)
    prompt = told or await estimate(asked, Reply(""))
    own = Usage(prompt.prompt, prompt.cached)
    for reply in (member.reply for member in members if member.reply):
        counted = await estimate(asked, reply) if reply.usage.unknown else reply.usage
        own += Usage(completion=counted.completion, reasoning=counted.reasoning)
    return own


def tokens(usage: Usage) -> dict[str, Any]:
    """Return tokens as chat completions tells them."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


class _Story(Callback):
    """A listener to a deliberation, which puts in order what it hears."""

    def __init__(self, plan: DeliberationPlan, needed: Sequence[int]) -> None:
        self.heard: asyncio.Queue[Member | tuple[int, Delta] | None] = asyncio.Queue()
        self._method, self._needed = plan.method, needed
        self._begun: dict[int, int] = {}  # member -> index of its answer
        self._done: Counter[int] = Counter()
        self._held: list[Member] = []

    def scored(self, question: int, member: Member) -> None:
        self.heard.put_nowait(member)

    def told(self, i: int, delta: Delta) -> None:
        self.heard.put_nowait((i, delta))

    def take(self, heard: Member | tuple[int, Delta]) -> Iterator[Event]:
        if isinstance(heard, tuple):
            i, delta = heard
            choice = delta.choice or {}
            fields, chances = further(choice.get("delta") or {}), logprobs(choice)
            index = self._begun.setdefault(i, len(self._begun))
            if delta.text or delta.reasoning or fields or chances:
                yield Piece(index, delta.text, delta.reasoning, fields, chances)
        elif heard.error and heard.t == self._method.t and heard.i in self._begun:
            raise APIError(502, f"the answer broke off: {heard.error}")
        elif heard.error and not self._done:
            self._held.append(heard)  # if all fail, the client gets an error with its status
        else:
            yield from map(self._progress, (heard, *self._held))
            self._held = []

    def _progress(self, member: Member) -> MemberDone:
        t, needed = member.t, self._needed
        self._done[t] += 1
        most = self._method.t if self._method.rule else None
        line = progress_line(t, self._done[t], needed[t - 1], failed=bool(member.error), most=most)
        return MemberDone(member, line, needed, late=bool(self._begun) or sum(needed) == 1)

    def end(self, result: DeliberationResult) -> Iterator[Event]:
        account = result.account
        for member, reply in zip(result.members, result.replies, strict=True):
            if (account["closing"] or member.t == self._method.t) and member.i in self._begun:
                yield Ended(self._begun[member.i], finish_reason(reply))
            elif account["cut_short"] and self._begun:
                # The deadline came while the answer was on its way: what the client has of it cannot be taken back.
                yield from [Ended(index, "length") for index in self._begun.values()]
            else:
                index = len(self._begun)
                self._begun[-1 - index] = index
                yield whole_piece(index, reply)
                yield Ended(index, finish_reason(reply))
        yield result


# -- a reply in the words of chat completions

_FINISH: Final = {Stop.FINISHED: "stop", Stop.LENGTH: "length", Stop.FILTERED: "content_filter", Stop.UNKNOWN: "stop"}
_OWN: Final = ("role", "content", "reasoning", "reasoning_content")


def further(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a message or a delta beyond its text and its reasoning."""
    return {name: value for name, value in message.items() if name not in _OWN and value}


def logprobs(choice: Mapping[str, Any] | None) -> Any:
    """Return log-probabilities as a server gave them with a choice, or None."""
    found = (choice or {}).get("logprobs")
    return found if isinstance(found, Mapping) and any(found.values()) else None


def finish_reason(reply: Reply) -> str:
    """Return why the answer ended: as its server put it, or in the API's words for it."""
    told = (reply.choice or {}).get("finish_reason")
    return told if isinstance(told, str) else _FINISH[reply.stop]


def whole_piece(index: int, reply: Reply) -> Piece:
    """Return a whole reply as one piece."""
    fields = further((reply.choice or {}).get("message") or {})
    calls = fields.get("tool_calls")
    if isinstance(calls, list):
        calls = [call for call in calls if isinstance(call, Mapping)]
        fields["tool_calls"] = [{**call, "index": place} for place, call in enumerate(calls)]
    text = "" if fields.get("refusal") == reply.text else reply.text
    return Piece(index, text, reply.reasoning, fields, logprobs(reply.choice))
