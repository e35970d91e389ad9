"""Completions (OpenAI's older API): a prompt is asked as a question, and only the answer's text is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, ClassVar, Final

from pydantic import Field

from selfagg.server.deliberation import DeliberationResult, Ended, Event, MemberDone, Piece, finish_reason, tokens
from selfagg.server.errors import DONE, refused, sse
from selfagg.server.fields import Form, read
from selfagg.server.protocols import KEEP_ALIVE, Api, comment, usage

_MOST_PROMPTS: Final = 128
_REFUSED: Final = {
    "echo": "an answer that was deliberated on does not go on with its prompt",
    "suffix": "an answer that was deliberated on does not go before a text",
    "logprobs": "only chat completions return them for a deliberated answer",
    "best_of": "the method chooses the answer: use rsa",
}


class CompletionsRequest(Form):
    """A completion request of the OpenAI API, and ``rsa``; further fields are those of chat completions."""

    prompt: str | list[str] = Field(description="One question, or several; lists of tokens are for plain calls alone.")
    echo: bool | None = None
    suffix: str | None = None
    logprobs: int | bool | None = None
    best_of: int | None = None


class CompletionsApi(Api):
    """``POST /v1/completions``; a stream has chunks of text, and progress in comments alone."""

    route = "completions"
    prefix = "cmpl-"
    names: ClassVar[Mapping[str, str]] = {"messages": "prompt"}
    form = CompletionsRequest

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        prompt = body.get("prompt")
        if isinstance(prompt, list) and not all(isinstance(one, str) for one in prompt):
            raise refused("prompt: lists of tokens cannot be deliberated on; send text, or rsa: false", "prompt")
        request = read(CompletionsRequest, body)
        for name, why in _REFUSED.items():
            value = body.get(name)
            if value not in (None, False, "") and not (name == "best_of" and value == (body.get("n") or 1)):
                raise refused(f"{name}: {why}; send rsa: false for a plain call", name, "unsupported_parameter")
        prompts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
        if not 1 <= len(prompts) <= _MOST_PROMPTS:
            raise refused(f"prompt: {len(prompts)} prompts, but there are 1 to {_MOST_PROMPTS}", "prompt")
        if request.stream and len(prompts) > 1:
            raise refused("prompt: a stream answers one prompt; send several requests", "prompt")
        rest = {name: value for name, value in body.items() if name not in ("prompt", *_REFUSED)}
        return [{**rest, "messages": [{"role": "user", "content": prompt}]} for prompt in prompts]

    def whole(self, results: Sequence[DeliberationResult]) -> dict[str, Any]:
        replies = [reply for result in results for reply in result.replies]
        choices = [_choice(index, reply.text, finish_reason(reply)) for index, reply in enumerate(replies)]
        own, accounts = [result.own for result in results], [result.account for result in results]
        spent = {**tokens(reduce(add, own)), "selfagg": accounts} if len(results) > 1 else usage(results[0])
        return self.object("text_completion", choices=choices, usage=spent)

    def write(self, event: Event) -> bytes:
        match event:
            case None:
                return KEEP_ALIVE
            case MemberDone():
                return b"" if self.shows == "none" or event.late else comment(event.line)
            case Piece():
                return self._chunk(choices=[_choice(event.index, event.text, None)]) if event.text else b""
            case Ended():
                return self._chunk(choices=[_choice(event.index, "", event.finish)])
            case DeliberationResult():
                return (self._chunk(choices=[], usage=usage(event)) if self.includes_usage else b"") + DONE

    def _chunk(self, **fields: Any) -> bytes:
        return sse(self.object("text_completion", **fields))


def _choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
