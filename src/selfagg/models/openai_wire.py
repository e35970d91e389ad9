"""The chat completions format: a request as the server wants it, a reply as we want it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfagg.models.openai_errors import Refusal
from selfagg.models.reasoning import split_reasoning
from selfagg.models.retries import Passing
from selfagg.types import Reply, Request, Stop, Usage

_STOPS = {
    "length": Stop.LENGTH,
    "max_tokens": Stop.LENGTH,
    "model_length": Stop.LENGTH,
    "content_filter": Stop.FILTERED,
    "safety": Stop.FILTERED,
}
_MOST = 2**53
"""No count and no log-probability is larger; JSON's numbers may be of any size."""

_BROKEN_OFF = ("abort", "error")  # the server gave up within the reply: not an end that the model chose


class Dialect:
    """Which fields this server turned out to refuse; learnt from its refusals and kept for the connection.

    Only fields are given up without which the reply means the same: the seed, the log-probabilities, a
    temperature of 1.0 (the API's own default), and ``max_tokens``, which newer models call
    ``max_completion_tokens``.
    """

    def __init__(self) -> None:
        self._refused: set[str] = set()

    def learn(self, refusal: Refusal, request: Request, body: Mapping[str, Any]) -> bool:
        """Takes a refusal to heart; returns whether the call is worth sending again, without what it refuses."""
        for field in ("max_tokens", "seed", "logprobs", "temperature"):
            wanted = field in request.sampling.extra_body or (field == "temperature" and body.get(field) != 1.0)
            if field in body and not wanted and refusal.unsupported(field):
                self._refused.add(field)
                return True
        return False

    def body(self, model: str, request: Request, *, stream: bool = False) -> dict[str, Any]:
        """The body of a request."""
        sampling = request.sampling
        fields: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stop": list(sampling.stop) or None,
            "reasoning_effort": sampling.reasoning_effort,
            "seed": request.seed,
            "logprobs": sampling.logprobs or None,
        }
        if "max_tokens" in self._refused:
            fields["max_completion_tokens"] = fields["max_tokens"]
        for field in self._refused:
            if field != "temperature" or sampling.temperature == 1.0:
                del fields[field]
        if stream:
            fields["stream_options"] = {"include_usage": True}
        sent = {name: value for name, value in fields.items() if value is not None}
        messages = [dict(message) for message in request.messages]
        return sent | dict(sampling.extra_body) | {"model": model, "messages": messages, "stream": stream}


def read_reply(answer: object, *, seconds: float, verbatim: bool = False) -> Reply:
    """Reads the reply out of a server's answer.

    A server that reports no usage counts as nothing: better than a number made up.

    Raises:
        Passing: The answer holds no reply.
    """
    data = mapping(answer)
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise Passing("the server sent an answer without a reply in it")
    choice = choices[0]
    finish = choice.get("finish_reason")
    if finish in _BROKEN_OFF:
        raise Passing("the server broke the reply off")
    message = mapping(choice.get("message"))
    text, reasoning = split(message.get("content") or message.get("refusal"), thoughts(message))
    return Reply(
        text=text,
        reasoning=reasoning,
        stop=_STOPS.get(str(finish).lower(), Stop.FINISHED),
        usage=read_usage(data.get("usage")),
        logprobs=_logprobs(choice.get("logprobs")),
        seconds=seconds,
        choice=choice if verbatim else None,
    )


def thoughts(message: Mapping[str, Any]) -> str:
    """The reasoning section under either of its names."""
    return plain(message.get("reasoning")) or plain(message.get("reasoning_content"))


def split(content: object, reasoning: str) -> tuple[str, str]:
    """Text and reasoning of a message's content: null, a string with or without <think> tags, or typed parts."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping)]
        thinking = [part.get("thinking") for part in parts if part.get("type") == "thinking"]
        reasoning = reasoning or "".join(map(_text, thinking))
        content = _text(parts)
    text = plain(content)
    if not reasoning:
        reasoning, text = split_reasoning(text)
    return text, reasoning


def _text(content: object) -> str:
    """The text of a string, or of typed parts; parts within parts are nobody's, and to any depth."""
    if isinstance(content, list):
        return "".join(plain(mapping(part).get("text")) for part in content)
    return plain(content)


def plain(value: object) -> str:
    """A string that can be stored and sent again: a lone surrogate (legal in JSON alone) becomes U+FFFD."""
    if not isinstance(value, str):
        return ""
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_usage(value: object) -> Usage:
    """Tokens as the server counted them; what it does not say is 0."""
    usage = mapping(value)
    prompt, completion = mapping(usage.get("prompt_tokens_details")), mapping(usage.get("completion_tokens_details"))
    return Usage(
        prompt=_count(usage.get("prompt_tokens")),
        cached=_count(prompt.get("cached_tokens")) or _count(usage.get("prompt_cache_hit_tokens")),
        completion=_count(usage.get("completion_tokens")),
        reasoning=_count(completion.get("reasoning_tokens")),
    )


def _logprobs(value: object) -> tuple[float, ...] | None:
    tokens = mapping(value).get("content")
    if not isinstance(tokens, list):
        return None
    found = [mapping(token).get("logprob") for token in tokens]
    return tuple(float(number) for number in found if isinstance(number, int | float) and -_MOST <= number <= _MOST)


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 < value <= _MOST else 0
