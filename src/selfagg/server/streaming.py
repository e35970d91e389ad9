"""A deliberation as a stream: the work in progress line by line, then the answer as the model writes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

from selfagg.run.engine import Callback
from selfagg.server.answers import finish_reason, logprobs, message, usage
from selfagg.server.deliberation import DeliberationResult, Deliberator
from selfagg.server.errors import APIError
from selfagg.server.plan import DeliberationPlan
from selfagg.types import Delta, Member, Reply, Usage

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


class ProgressFeed(Callback):
    """Gathers what happens in a deliberation, for whoever writes it into a stream."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Member | tuple[int, Delta] | None] = asyncio.Queue()

    def scored(self, question: int, member: Member) -> None:
        self.events.put_nowait(member)

    def told(self, i: int, delta: Delta) -> None:
        """A piece of member ``i``'s reply, which is an answer."""
        self.events.put_nowait((i, delta))

    def ended(self, _: asyncio.Task[DeliberationResult]) -> None:
        """Nothing more will come."""
        self.events.put_nowait(None)


class ChatStream:
    """Writes one request's events as chunks of the API.

    Args:
        deliberator: Answers it.
        plan: What to do.
        head: Id, model and time, which every chunk repeats.
        include_usage: Whether a last chunk tells the tokens.
        keep_alive_s: Longest silence.
    """

    def __init__(
        self,
        deliberator: Deliberator,
        plan: DeliberationPlan,
        head: dict[str, Any],
        *,
        include_usage: bool,
        keep_alive_s: float,
        on_usage: Callable[[Usage, int], None] | None = None,
    ) -> None:
        self._deliberator = deliberator
        self._plan = plan
        self._head = {**head, "object": "chat.completion.chunk"}
        self._include_usage = include_usage
        self._keep_alive_s = keep_alive_s
        self._on_usage = on_usage
        self._begun: dict[int, int] = {}  # member -> index of its choice
        self._broken: Member | None = None
        self._done: dict[int, int] = {}
        self._forecast: list[int] = []
        self._greeted: set[int] = set()
        self._held: list[Member] = []

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The stream's bytes; closing it ends the work.

        Raises:
            APIError: There is no answer, found before anything was handed out; later the stream tells of it.
        """
        feed = ProgressFeed()
        self._forecast = await self._deliberator.forecast(self._plan)
        work = asyncio.ensure_future(
            self._deliberator.run(self._plan, self._head["id"], callback=feed, listener=feed.told, usage=self._on_usage)
        )
        work.add_done_callback(feed.ended)
        quiet = True
        try:
            while True:
                try:
                    async with asyncio.timeout(self._keep_alive_s):
                        event = await feed.events.get()
                except TimeoutError:
                    quiet = False
                    yield KEEP_ALIVE
                    continue
                if event is None:
                    break
                for piece in self._event(event):
                    quiet = False
                    yield piece
                if self._broken:
                    break
            for piece in await self._end(work, quiet=quiet):
                yield piece
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def _event(self, event: Member | tuple[int, Delta]) -> list[bytes]:
        if isinstance(event, Member):
            if event.error and event.t == self._plan.method.t and event.i in self._begun:
                self._broken = event
            return self._progress(event)
        i, delta = event
        return self._delta(self._begun.setdefault(i, len(self._begun)), delta)

    async def _end(self, work: asyncio.Task[DeliberationResult], *, quiet: bool) -> list[bytes]:
        """The last pieces: what was not handed out yet, why it ended, the tokens."""
        if self._broken:
            return [_data(APIError(502, f"the answer broke off: {self._broken.error}").body), DONE]
        try:
            outcome = await work
        except APIError as error:
            if quiet:
                raise
            return [_data(error.body), DONE]
        pieces = [piece for member in outcome.members for piece in self._finish(member, outcome)]
        if self._include_usage:
            pieces.append(_data({**self._head, "choices": [], "usage": usage(outcome, self._plan)}))
        return [*pieces, DONE]

    def _finish(self, member: Member, outcome: DeliberationResult) -> list[bytes]:
        """Ends one choice; its text goes before where it was not written out live."""
        last = member.t == self._plan.method.t
        if last and member.i in self._begun:
            reply, index, pieces = member.reply, self._begun[member.i], []
        elif outcome.cut_short and self._begun:
            # The deadline came while the answer was on its way: what the client has of it cannot be taken back.
            return [self._chunk(index, {}, finish="length") for index in self._begun.values()]
        else:
            reply, index = member.reply, len(self._begun)
            self._begun[-1 - index] = index
            pieces = self._whole(index, reply or Reply(""))
        return [*pieces, self._chunk(index, {}, finish=finish_reason(reply or Reply("")))]

    def _whole(self, index: int, reply: Reply) -> list[bytes]:
        told = {name: value for name, value in message(reply).items() if value is not None and name != "role"}
        for place, call in enumerate(told.get("tool_calls") or ()):
            call["index"] = place
        return [*self._greet(index), self._chunk(index, told, logprobs=logprobs(reply.choice))]

    def _greet(self, index: int) -> list[bytes]:
        if index in self._greeted:
            return []
        self._greeted.add(index)
        return [self._chunk(index, {"role": "assistant", "content": ""})]

    def _delta(self, index: int, delta: Delta) -> list[bytes]:
        told = (delta.choice or {}).get("delta") or {}
        fields = {name: told[name] for name in ("tool_calls", "function_call", "refusal") if told.get(name)}
        if delta.text:
            fields["content"] = delta.text
        if delta.reasoning:
            fields["reasoning_content"] = delta.reasoning
        chances = logprobs(delta.choice)
        if not fields and not chances:
            return []
        return [*self._greet(index), self._chunk(index, fields, logprobs=chances)]

    def _progress(self, member: Member) -> list[bytes]:
        """One member is done: told in the way that the client wants.

        Failures wait for the first success: if all fail, the client gets an error with its status.
        """
        if member.error and not self._done:
            self._held.append(member)
            return []
        held, self._held = self._held, []
        return [piece for one in (member, *held) for piece in self._line(one)]

    def _line(self, member: Member) -> list[bytes]:
        self._done[member.t] = self._done.get(member.t, 0) + 1
        how = self._plan.progress
        if how == "members":
            return [_data({**self._head, "choices": [], "selfagg": _member(member, self._forecast)})]
        if how == "none" or self._begun:
            return []
        needed = self._forecast[member.t - 1]
        failed = " (one failed)" if member.error else ""
        line = f"population {member.t}: {self._done[member.t]} of {max(needed, self._done[member.t])}{failed}"
        if how == "comments":
            return [f": {line}\n\n".encode()]
        return [*self._greet(0), self._chunk(0, {"reasoning_content": f"{line}\n"})]

    def _chunk(self, index: int, delta: dict[str, Any], *, finish: str | None = None, logprobs: Any = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        more = {"usage": None} if self._include_usage else {}
        return _data({**self._head, "choices": [choice], **more})


def _member(member: Member, forecast: list[int]) -> dict[str, Any]:
    usage = member.reply.usage if member.reply else Usage()
    return {
        "t": member.t,
        "i": member.i,
        "parents": list(member.parents),
        "answer": member.answer,
        "text": member.text,
        "reasoning": member.reply.reasoning if member.reply else "",
        "stop": member.reply.stop.value if member.reply else None,
        "tokens": None if usage.unknown else [usage.prompt, usage.cached, usage.completion],
        "seconds": member.reply.seconds if member.reply else 0.0,
        "error": member.error,
        "needed": forecast,
    }


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n".encode("utf-8", "replace")
