"""Chat Completions (OpenAI), the form into which the other APIs' requests are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfagg.server.deliberation import (
    DeliberationResult,
    Ended,
    Event,
    MemberDone,
    Piece,
    finish_reason,
    further,
    logprobs,
)
from selfagg.server.errors import DONE, sse
from selfagg.server.fields import ChatRequest
from selfagg.server.protocols import KEEP_ALIVE, Api, comment, usage
from selfagg.types import Reply


class ChatApi(Api):
    """``POST /v1/chat/completions``; a stream has the answers' chunks side by side."""

    route = "chat/completions"
    prefix = "chatcmpl-"
    form = ChatRequest

    def __init__(self, body: Mapping[str, Any], digest: str | None = None) -> None:
        super().__init__(body, digest)
        self._greeted: set[int] = set()

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [dict(body)]

    def whole(self, results: Sequence[DeliberationResult]) -> dict[str, Any]:
        (result,) = results
        choices = [_choice(reply, index) for index, reply in enumerate(result.replies)]
        return self.object("chat.completion", choices=choices, usage=usage(result))

    def write(self, event: Event) -> bytes:
        match event:
            case None:
                return KEEP_ALIVE
            case MemberDone() if self.shows == "members":
                return self._chunk(selfagg=_member(event))
            case MemberDone():
                if self.shows == "none" or event.late:
                    return b""
                line = {"reasoning_content": f"{event.line}\n"}
                return comment(event.line) if self.shows == "comments" else self._delta(0, line)
            case Piece():
                fields = dict(event.fields)
                if event.text and event.text != fields.get("refusal"):
                    fields["content"] = event.text
                if event.reasoning:
                    fields["reasoning_content"] = event.reasoning
                return self._delta(event.index, fields, logprobs=event.logprobs)
            case Ended():
                return self._delta(event.index, {}, finish_reason=event.finish)
            case DeliberationResult():
                return (self._chunk(usage=usage(event)) if self.includes_usage else b"") + DONE

    def _delta(self, index: int, delta: dict[str, Any], **more: Any) -> bytes:
        greeting = b""
        if index not in self._greeted and "finish_reason" not in more:
            self._greeted.add(index)
            greeting = self._delta(index, {"role": "assistant", "content": ""})
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None, **more}
        return greeting + self._chunk(choices=[choice], **({"usage": None} if self.includes_usage else {}))

    def _chunk(self, **fields: Any) -> bytes:
        return sse(self.object("chat.completion.chunk", **{"choices": [], **fields}))


def _choice(reply: Reply, index: int) -> dict[str, Any]:
    """Return one answer, with what its server said beyond text: tool calls, log-probabilities, a refusal."""
    more = further((reply.choice or {}).get("message") or {})
    called, refusal = more.get("tool_calls") or more.get("function_call"), more.get("refusal")
    content = None if (called or refusal) and (not reply.text or reply.text == refusal) else reply.text
    reasoning = {"reasoning_content": reply.reasoning} if reply.reasoning else {}
    return {
        "index": index,
        "message": {"role": "assistant", "content": content, "refusal": None, **reasoning, **more},
        "logprobs": logprobs(reply.choice),
        "finish_reason": finish_reason(reply),
    }


def _member(event: MemberDone) -> dict[str, Any]:
    member, reply = event.member, event.member.reply
    tokens = reply.usage if reply and not reply.usage.unknown else None
    return {
        "t": member.t,
        "i": member.i,
        "parents": list(member.parents),
        "answer": member.answer,
        "text": member.text,
        "reasoning": reply.reasoning if reply else "",
        "stop": reply.stop.value if reply else None,
        "tokens": [tokens.prompt, tokens.cached, tokens.completion] if tokens else None,
        "seconds": reply.seconds if reply else 0.0,
        "error": member.error,
        "needed": list(event.needed),
    }
