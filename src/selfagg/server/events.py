"""The events of a deliberation, in order: members that are done, pieces of the answer, its end.

Every API writes these events in its own words; a deliberation knows none of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfagg.run.engine import Callback
from selfagg.server.answers import finish_reason, further, logprobs, tool_calls
from selfagg.server.deliberation import DeliberationResult, Deliberator
from selfagg.server.errors import APIError
from selfagg.server.plan import DeliberationPlan
from selfagg.server.progress import progress_line
from selfagg.types import Delta, Member, Reply, Usage


@dataclass(frozen=True, slots=True)
class Progress:
    """One more member is done.

    Attributes:
        member: The member.
        line: A line that tells of it.
        needed: Members of each population that the answer needs, at most.
        late: Whether nobody needs to be told: the answer is being written already, or it takes no other member.
    """

    member: Member
    line: str
    needed: Sequence[int]
    late: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer.

    Attributes:
        index: Index of the answer; the first is 0.
        text: Of the response.
        reasoning: Of the model's own reasoning.
        fields: Further fields of the message, in the words of chat completions: tool calls, a refusal.
        logprobs: Log-probabilities of the piece, or None.
    """

    index: int
    text: str = ""
    reasoning: str = ""
    fields: Mapping[str, Any] | None = None
    logprobs: Any = None


@dataclass(frozen=True, slots=True)
class Ended:
    """An answer is whole; ``finish`` says why it ended, in the words of chat completions."""

    index: int
    finish: str


Event = Progress | Piece | Ended | DeliberationResult | None
"""The last one of a deliberation is its outcome; None: nothing has happened for a while."""


async def events(
    deliberator: Deliberator,
    plan: DeliberationPlan,
    name: str,
    *,
    keep_alive_s: float | None,
    live: bool = True,
    resumed: bool = False,
    usage: Callable[[Usage, int], None] | None = None,
) -> AsyncGenerator[Event, None]:
    """Deliberate, and yield what happens; closing the generator ends the work.

    Args:
        deliberator: Answers the request.
        plan: The request.
        name: Its id.
        keep_alive_s: Longest silence in seconds, after which None comes; None: no bound.
        live: True if the answer is handed out while the model writes it, not when it is recorded.
        resumed: True if the record may hold members of this request.
        usage: Told at the end of tokens and calls, whatever the end.

    Raises:
        APIError: There is no answer, or it broke off.
    """
    feed, story = ProgressFeed(), _Story(plan, await deliberator.forecast(plan))
    listener = feed.told if live else None
    work = asyncio.ensure_future(
        deliberator.run(plan, name, callback=feed, listener=listener, usage=usage, resumed=resumed)
    )
    work.add_done_callback(lambda _: feed.ended())
    try:
        while True:
            try:
                async with asyncio.timeout(keep_alive_s):
                    event = await feed.events.get()
            except TimeoutError:
                yield None
                continue
            if event is None:
                break
            for one in story.take(event):
                yield one
        for last in story.end(await work):
            yield last
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


class ProgressFeed(Callback):
    """A collector of events in a deliberation."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Member | tuple[int, Delta] | None] = asyncio.Queue()

    def scored(self, question: int, member: Member) -> None:
        self.events.put_nowait(member)

    def told(self, i: int, delta: Delta) -> None:
        """Take a piece of member ``i``'s reply, which is an answer."""
        self.events.put_nowait((i, delta))

    def ended(self) -> None:
        self.events.put_nowait(None)


class _Story:
    """The collected events, put in order."""

    def __init__(self, plan: DeliberationPlan, needed: Sequence[int]) -> None:
        self._plan = plan
        self._needed = needed
        self._begun: dict[int, int] = {}  # member -> index of its answer
        self._done: Counter[int] = Counter()
        self._held: list[Member] = []

    def take(self, event: Member | tuple[int, Delta]) -> Iterator[Event]:
        if isinstance(event, tuple):
            i, delta = event
            piece = _piece(self._begun.setdefault(i, len(self._begun)), delta)
            yield from [piece] if piece.text or piece.reasoning or piece.fields or piece.logprobs else []
        elif event.error and event.t == self._plan.method.t and event.i in self._begun:
            raise APIError(502, f"the answer broke off: {event.error}")
        elif event.error and not self._done:
            self._held.append(event)  # if all fail, the client gets an error with its status
        else:
            held, self._held = self._held, []
            yield from map(self._progress, (event, *held))

    def _progress(self, member: Member) -> Progress:
        t = member.t
        self._done[t] += 1
        method = self._plan.method
        most = method.t if method.rule else None
        line = progress_line(t, self._done[t], self._needed[t - 1], failed=bool(member.error), most=most)
        return Progress(member, line, self._needed, late=bool(self._begun) or sum(self._needed) == 1)

    def end(self, outcome: DeliberationResult) -> Iterator[Event]:
        for member in outcome.members:
            yield from self._end(member, outcome)
        yield outcome

    def _end(self, member: Member, outcome: DeliberationResult) -> Iterator[Event]:
        reply = member.reply or Reply("")
        if (outcome.closing or member.t == self._plan.method.t) and member.i in self._begun:
            yield Ended(self._begun[member.i], finish_reason(reply))
        elif outcome.cut_short and self._begun:
            # The deadline came while the answer was on its way: what the client has of it cannot be taken back.
            yield from [Ended(index, "length") for index in self._begun.values()]
        else:
            index = len(self._begun)
            self._begun[-1 - index] = index
            yield whole_piece(index, reply)
            yield Ended(index, finish_reason(reply))


def _piece(index: int, delta: Delta) -> Piece:
    told = (delta.choice or {}).get("delta") or {}
    return Piece(index, delta.text, delta.reasoning, further(told), logprobs(delta.choice))


def whole_piece(index: int, reply: Reply) -> Piece:
    """Return a whole reply as one piece."""
    fields = further((reply.choice or {}).get("message") or {})
    if calls := tool_calls(reply):
        fields["tool_calls"] = [{**call, "index": place} for place, call in enumerate(calls)]
    text = "" if fields.get("refusal") == reply.text else reply.text
    return Piece(index, text, reply.reasoning, fields, logprobs(reply.choice))
