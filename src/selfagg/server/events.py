"""The events of a deliberation, in order: members that are done, pieces of the answer, its end; and progress lines.

Every API writes these events in its own words; a deliberation knows none of them.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from selfagg.run.engine import Callback
from selfagg.server.deliberation import DeliberationResult, Deliberator
from selfagg.server.errors import APIError
from selfagg.server.plan import DeliberationPlan
from selfagg.types import Delta, Member, Reply, Stop, Usage


@dataclass(frozen=True, slots=True)
class MemberDone:
    """One more member is done, and a line that tells of it.

    Attributes:
        needed: Members of each population that the answer needs, at most.
        late: True if nobody needs to be told: the answer is being written already, or it takes no other member.
    """

    member: Member
    line: str
    needed: Sequence[int]
    late: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer: of its text, of the model's own reasoning.

    Attributes:
        index: Index of the answer; the first is 0.
        fields: Further fields of the message, in the words of chat completions: tool calls, a refusal.
        logprobs: Log-probabilities of the piece, or None.
    """

    index: int
    text: str
    reasoning: str
    fields: Mapping[str, Any]
    logprobs: Any


@dataclass(frozen=True, slots=True)
class Ended:
    """An answer is whole; ``finish`` says why it ended, in the words of chat completions."""

    index: int
    finish: str


Event = MemberDone | Piece | Ended | DeliberationResult | None
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
    """Deliberate as `Deliberator.run` does, and yield what happens; closing the generator ends the work.

    Args:
        deliberator: Answers the request.
        plan: The request.
        name: Its id.
        keep_alive_s: Longest silence in seconds, after which None comes; None: no bound.
        live: True if the answer is handed out while the model writes it, not when it is recorded.
        resumed: True if the record may hold members of this request.
        usage: Told at the end of tokens and calls.

    Raises:
        APIError: There is no answer, or it broke off.
    """
    story = _Story(plan, await deliberator.forecast(plan))
    listener = story.told if live else None
    run = deliberator.run(plan, name, callback=story, listener=listener, usage=usage, resumed=resumed)
    work = asyncio.ensure_future(run)
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

    def end(self, outcome: DeliberationResult) -> Iterator[Event]:
        for member in outcome.members:
            reply = member.reply or Reply("")
            if (outcome.closing or member.t == self._method.t) and member.i in self._begun:
                yield Ended(self._begun[member.i], finish_reason(reply))
            elif outcome.cut_short and self._begun:
                # The deadline came while the answer was on its way: what the client has of it cannot be taken back.
                yield from [Ended(index, "length") for index in self._begun.values()]
            else:
                index = len(self._begun)
                self._begun[-1 - index] = index
                yield whole_piece(index, reply)
                yield Ended(index, finish_reason(reply))
        yield outcome


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


# -- progress lines: told as reasoning, and taken out when a client sends them back
# A line's form is its mark: a line of an assistant's turn that has it was told by this server, whatever field it is in.

_LINE: Final = r"population \d+(?: of at most \d+)?: \d+ of \d+(?: \(one failed\))?"
_MARK: Final = re.compile(rf"^[ \t]*{_LINE}[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_EMPTY_TAGS: Final = re.compile(r"\A\s*<think(?:ing)?>\s*</think(?:ing)?>\s*")
_UNTOUCHED: Final = ("role", "type", "id", "tool_calls", "function_call", "input", "arguments")
_SAYS_NOTHING: Final = ("type", "signature", "index", "format", "id")
_DEEPEST: Final = 4


def progress_line(t: int, done: int, needed: int, *, failed: bool, most: int | None = None) -> str:
    """Return the line that tells of one more member of population ``t``.

    Args:
        t: The population.
        done: Its members that are done.
        needed: Its members that the answer needs.
        failed: True if this one failed.
        most: Populations at most, where an earlier one may be the last.
    """
    of = f" of at most {most}" if most else ""
    return f"population {t}{of}: {done} of {max(needed, done)}{' (one failed)' if failed else ''}"


def without_progress(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's body whose history holds no progress lines; all else stays as it came."""
    kept = dict(body)
    for name in ("messages", "input"):
        if isinstance(turns := kept.get(name), list):
            kept[name] = [cleaned for turn in turns for cleaned in _turn(turn)]
    return kept


def _turn(turn: Any) -> Iterator[Any]:
    """Yield an assistant's message or a reasoning item without progress; nothing if nothing else was in it."""
    if not isinstance(turn, Mapping) or not (turn.get("role") == "assistant" or turn.get("type") == "reasoning"):
        yield turn
        return
    cleaned = _cleaned(turn, _DEEPEST)
    if turn.get("type") != "reasoning" or cleaned == turn or cleaned.get("summary") or cleaned.get("content"):
        yield cleaned


def _cleaned(value: Any, depth: int) -> Any:
    """Return a value without progress; fields and parts with nothing left go, but for ``content``, which must be."""
    if isinstance(value, str):
        without = _MARK.sub("", value)
        return value if without == value else _EMPTY_TAGS.sub("", without) if without.strip() else ""
    if depth < 0 or not isinstance(value, list | Mapping):
        return value
    if isinstance(value, list):
        cleaned = [(old, _cleaned(old, depth - 1)) for old in value]
        return [new for old, new in cleaned if new == old or _says(new)]
    fields = {name: old if name in _UNTOUCHED else _cleaned(old, depth - 1) for name, old in value.items()}
    return {name: new for name, new in fields.items() if name == "content" or new or not value[name]}


def _says(part: Any) -> bool:
    if isinstance(part, Mapping):
        return any(value for name, value in part.items() if name not in _SAYS_NOTHING)
    return bool(part)
