"""Chat Completions (OpenAI), the form into which the other APIs' requests are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfagg.server.answers import finish_reason, further, logprobs, usage
from selfagg.server.deliberation import DeliberationResult
from selfagg.server.errors import APIError
from selfagg.server.events import Ended, Piece, Progress
from selfagg.server.protocols.base import DONE, Api, Head, Writer, data
from selfagg.server.schemas import ChatRequest
from selfagg.types import Member, Reply, Usage


class ChatApi(Api):
    """``POST /v1/chat/completions``."""

    route = "chat/completions"
    prefix = "chatcmpl-"
    form = ChatRequest

    def read(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [dict(body)]

    def whole(self, head: Head, outcomes: Sequence[DeliberationResult]) -> dict[str, Any]:
        (outcome,) = outcomes
        choices = [_choice(member.reply or Reply(""), index) for index, member in enumerate(outcome.members)]
        return {**_repeated(head), "object": "chat.completion", "choices": choices, "usage": usage(outcome)}

    def writer(self, head: Head) -> Writer:
        return _Chunks(head)


def _repeated(head: Head) -> dict[str, Any]:
    return {"id": head.id, "model": head.model, "created": head.created}


def _choice(reply: Reply, index: int) -> dict[str, Any]:
    """Return one answer, with what its server said beyond text: tool calls, log-probabilities, a refusal."""
    more = further((reply.choice or {}).get("message") or {})
    called = bool(more.get("tool_calls") or more.get("function_call"))
    refusal = more.get("refusal")
    content = None if (called or refusal) and (not reply.text or reply.text == refusal) else reply.text
    reasoning = {"reasoning_content": reply.reasoning} if reply.reasoning else {}
    return {
        "index": index,
        "message": {"role": "assistant", "content": content, "refusal": None, **reasoning, **more},
        "logprobs": logprobs(reply.choice),
        "finish_reason": finish_reason(reply),
    }


def includes_usage(body: Mapping[str, Any]) -> bool:
    """Return True if a stream's request asks for the tokens."""
    options = body.get("stream_options")
    return isinstance(options, Mapping) and bool(options.get("include_usage"))


class _Chunks(Writer):
    """The answers' chunks, side by side."""

    def __init__(self, head: Head) -> None:
        super().__init__(head)
        self._repeated = {**_repeated(head), "object": "chat.completion.chunk"}
        self._usage = includes_usage(head.body)
        self._greeted: set[int] = set()

    def progress(self, event: Progress) -> list[bytes]:
        how = self.head.progress or "reasoning"
        if how == "members":
            return [data({**self._repeated, "choices": [], "selfagg": _member(event.member, event.needed)})]
        if how == "none" or event.late:
            return []
        if how == "comments":
            return [f": {event.line}\n\n".encode()]
        return [*self._greet(0), self._chunk(0, {"reasoning_content": f"{event.line}\n"})]

    def piece(self, event: Piece) -> list[bytes]:
        fields = dict(event.fields or {})
        refusal = fields.get("refusal")
        if event.text and event.text != refusal:
            fields["content"] = event.text
        if event.reasoning:
            fields["reasoning_content"] = event.reasoning
        return [*self._greet(event.index), self._chunk(event.index, fields, logprobs=event.logprobs)]

    def ended(self, event: Ended) -> list[bytes]:
        return [self._chunk(event.index, {}, finish=event.finish)]

    def done(self, outcome: DeliberationResult) -> list[bytes]:
        told = [data({**self._repeated, "choices": [], "usage": usage(outcome)})] if self._usage else []
        return [*told, DONE]

    def failed(self, error: APIError) -> list[bytes]:
        return [data(error.body), DONE]

    def _greet(self, index: int) -> list[bytes]:
        if index in self._greeted:
            return []
        self._greeted.add(index)
        return [self._chunk(index, {"role": "assistant", "content": ""})]

    def _chunk(self, index: int, delta: dict[str, Any], *, finish: str | None = None, logprobs: Any = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        more = {"usage": None} if self._usage else {}
        return data({**self._repeated, "choices": [choice], **more})


def _member(member: Member, needed: Sequence[int]) -> dict[str, Any]:
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
        "needed": list(needed),
    }
