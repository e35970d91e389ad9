"""Completions (OpenAI's older API): a prompt is asked as a question, and only the answer's text is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from selfagg.server.answers import account, finish_reason, tokens, usage
from selfagg.server.deliberation import DeliberationResult
from selfagg.server.errors import APIError, refused
from selfagg.server.events import Ended, Piece, Progress
from selfagg.server.protocols.base import DONE, Api, Head, Writer, data
from selfagg.server.protocols.chat import includes_usage
from selfagg.server.schemas import RsaOptions, read
from selfagg.types import Reply, Usage

_MOST_PROMPTS = 128
_REFUSED = {
    "echo": "an answer that was deliberated on does not go on with its prompt",
    "suffix": "an answer that was deliberated on does not go before a text",
    "logprobs": "only chat completions return them for a deliberated answer",
    "best_of": "the method chooses the answer: use rsa",
}


class CompletionsRequest(BaseModel):
    """A completion request of the OpenAI API, and ``rsa``; further fields are those of chat completions."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str
    prompt: str | list[str] = Field(description="One question, or several; lists of tokens are for plain calls alone.")
    rsa: bool | RsaOptions | None = None
    stream: bool | None = None
    echo: bool | None = None
    suffix: str | None = None
    logprobs: int | bool | None = None
    best_of: int | None = None


class CompletionsApi(Api):
    """``POST /v1/completions``."""

    route = "completions"
    prefix = "cmpl-"
    names: ClassVar[Mapping[str, str]] = {"messages": "prompt"}
    form = CompletionsRequest

    def read(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
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

    def whole(self, head: Head, outcomes: Sequence[DeliberationResult]) -> dict[str, Any]:
        replies = [member.reply or Reply("") for outcome in outcomes for member in outcome.members]
        choices = [_choice(index, reply.text, finish_reason(reply)) for index, reply in enumerate(replies)]
        return {**_repeated(head), "choices": choices, "usage": _usage(outcomes)}

    def writer(self, head: Head) -> Writer:
        return _Chunks(head)


def _usage(outcomes: Sequence[DeliberationResult]) -> dict[str, Any]:
    if len(outcomes) == 1:
        return usage(outcomes[0])
    own = reduce(add, (outcome.own for outcome in outcomes), Usage())
    return {**tokens(own), "selfagg": [account(outcome) for outcome in outcomes]}


def _repeated(head: Head) -> dict[str, Any]:
    return {"id": head.id, "object": "text_completion", "created": head.created, "model": head.model}


def _choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}


class _Chunks(Writer):
    """Chunks of text; progress can be told in comments alone."""

    def progress(self, event: Progress) -> list[bytes]:
        return [] if self.head.progress == "none" or event.late else [f": {event.line}\n\n".encode()]

    def piece(self, event: Piece) -> list[bytes]:
        return [self._chunk(event.index, event.text, None)] if event.text else []

    def ended(self, event: Ended) -> list[bytes]:
        return [self._chunk(event.index, "", event.finish)]

    def done(self, outcome: DeliberationResult) -> list[bytes]:
        told = {**_repeated(self.head), "choices": [], "usage": usage(outcome)}
        return [*([data(told)] if includes_usage(self.head.body) else []), DONE]

    def failed(self, error: APIError) -> list[bytes]:
        return [data(error.body), DONE]

    def _chunk(self, index: int, text: str, finish: str | None) -> bytes:
        return data({**_repeated(self.head), "choices": [_choice(index, text, finish)]})
