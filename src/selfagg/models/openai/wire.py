"""The chat completions format: the conversion of a server's answer to a reply of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from selfagg.models.openai.bodies import refusal_of
from selfagg.models.reasoning import split_reasoning
from selfagg.models.retries import TransientError
from selfagg.types import Reply, Stop, Usage

_FINISHED = (
    "stop eos eos_token end_turn stop_sequence tool_calls tool_use function_call complete completed finished done end"
)
_LENGTH = (
    "length max_tokens model_length max_output_tokens max_length token_limit context_length "
    "model_context_window_exceeded"
)
_FILTERED = (
    "content_filter content-filter content_filtered safety sensitive recitation prohibited_content blocklist spii "
    "refusal guardrail_intervened guardrails language moderation blocked image_safety"
)
_BROKEN = (
    "abort aborted error insufficient_system_resource network_error cancelled canceled timeout failed "
    "malformed_function_call server_error internal_error overloaded other_error"
)
STOPS: Final[Mapping[str, Stop]] = {
    word: stop
    for stop, words in ((Stop.FINISHED, _FINISHED), (Stop.LENGTH, _LENGTH), (Stop.FILTERED, _FILTERED))
    for word in words.split()
}
"""Finish reasons of every dialect, in small letters; an unknown one is `Stop.UNKNOWN`."""

BROKEN: Final = frozenset(_BROKEN.split())
"""Finish reasons of a server that gave up within the reply: not an end that the model chose."""

_MOST = 2**53
"""The largest count and log-probability that is accepted; JSON's numbers may be of any size."""


def read_reply(answer: object, *, seconds: float, verbatim: bool = False) -> Reply:
    """Read the reply out of a server's answer.

    Raises:
        Refusal: The answer says in a form of its own why there is no reply.
        TransientError: The answer holds no reply, or one that the server broke off.
    """
    data = mapping(answer)
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise without_reply(answer)
    choice = choices[0]
    finish = choice.get("finish_reason")
    if str(finish).lower() in BROKEN:
        raise TransientError(f"the server broke the reply off ({finish})")
    message = mapping(choice.get("message")) or {"content": choice.get("text")}
    text, reasoning = split(message.get("content") or message.get("refusal"), thoughts(message))
    stop = Stop.FINISHED if not finish else STOPS.get(str(finish).lower(), Stop.UNKNOWN)
    if stop is Stop.UNKNOWN and not (text or reasoning or message.get("tool_calls")):
        raise TransientError(f"the server sent an empty reply ({finish})")
    return Reply(
        text=text,
        reasoning=reasoning,
        stop=stop,
        usage=read_usage(data.get("usage") or choice.get("usage"), text or reasoning),
        logprobs=_logprobs(choice.get("logprobs")),
        seconds=seconds,
        choice=choice if verbatim else None,
    )


def without_reply(answer: object) -> Exception:
    """Return the exception for an answer of 200 without a reply: what it says of its reasons, if anything."""
    found = refusal_of(502, answer, ())
    return found if found.message else TransientError("the server sent an answer without a reply in it")


def thoughts(message: Mapping[str, Any]) -> str:
    """Return the reasoning section under either of its names."""
    return plain(message.get("reasoning")) or plain(message.get("reasoning_content"))


def parts(content: object) -> tuple[str, str]:
    """Return text and reasoning of a message's content: null, a string, or typed parts."""
    if isinstance(content, list):
        typed = [part for part in content if isinstance(part, Mapping)]
        thinking = "".join(_text(part.get("thinking")) for part in typed if part.get("type") == "thinking")
        return _text(typed), thinking
    return plain(content), ""


def split(content: object, reasoning: str) -> tuple[str, str]:
    """Return text and reasoning of a whole message, <think> tags read."""
    text, thinking = parts(content)
    reasoning = reasoning or thinking
    if not reasoning:
        reasoning, text = split_reasoning(text)
    return text, reasoning


def _text(content: object) -> str:
    """Return the text of a string, or of typed parts; parts within parts are nobody's, and to any depth."""
    if isinstance(content, list):
        return "".join(plain(mapping(part).get("text")) for part in content)
    return plain(content)


def plain(value: object) -> str:
    """Return a string that can be stored and sent again: a lone surrogate (legal in JSON alone) becomes U+FFFD."""
    if not isinstance(value, str):
        return ""
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_usage(value: object, written: str = "") -> Usage:
    """Return the tokens as the server counted them, or one unknown call where it counted none.

    Args:
        value: Its ``usage``.
        written: The text of the model: a count of no tokens at all beside a text is none.
    """
    usage = mapping(value)
    prompt = _count(usage.get("prompt_tokens")) or _count(usage.get("input_tokens"))
    completion = _count(usage.get("completion_tokens")) or _count(usage.get("output_tokens"))
    if not prompt and completion:
        prompt = max(0, _count(usage.get("total_tokens")) - completion)
    counted = prompt or completion or (not written and "completion_tokens" in usage)
    if not counted:
        return Usage(unknown=1)
    details = mapping(usage.get("prompt_tokens_details")), mapping(usage.get("completion_tokens_details"))
    return Usage(
        prompt=prompt,
        cached=_count(details[0].get("cached_tokens")) or _count(usage.get("prompt_cache_hit_tokens")),
        completion=completion,
        reasoning=_count(details[1].get("reasoning_tokens")),
    )


def _logprobs(value: object) -> tuple[float, ...] | None:
    tokens = mapping(value).get("content")
    if not isinstance(tokens, list):
        return None
    found = [mapping(token).get("logprob") for token in tokens]
    return tuple(float(number) for number in found if isinstance(number, int | float) and -_MOST <= number <= _MOST)


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 < value <= _MOST else 0
