"""The result of a deliberation in the form of chat completions, for every API to take over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfagg.server.deliberation import DeliberationResult
from selfagg.types import Reply, Stop, Usage

_FINISH = {Stop.FINISHED: "stop", Stop.LENGTH: "length", Stop.FILTERED: "content_filter", Stop.UNKNOWN: "stop"}
_OWN = ("role", "content", "reasoning", "reasoning_content")


def further(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a message or a delta beyond its text and its reasoning."""
    return {name: value for name, value in message.items() if name not in _OWN and value}


def tool_calls(reply: Reply) -> list[dict[str, Any]]:
    """Return the tool calls of a reply."""
    calls = ((reply.choice or {}).get("message") or {}).get("tool_calls")
    return [dict(call) for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []


def logprobs(told: Mapping[str, Any] | None) -> Any:
    """Return log-probabilities as a server gave them with a choice, or None."""
    found = (told or {}).get("logprobs")
    return found if isinstance(found, Mapping) and any(found.values()) else None


def finish_reason(reply: Reply) -> str:
    """Return why the answer ended: as its server put it, or in the API's words for it."""
    told = (reply.choice or {}).get("finish_reason")
    return told if isinstance(told, str) else _FINISH[reply.stop]


def tokens(usage: Usage) -> dict[str, Any]:
    """Return tokens as chat completions tells them."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def usage(outcome: DeliberationResult) -> dict[str, Any]:
    """Return the tokens of the client's own prompt and of the answer; all that was spent under ``selfagg``.

    Agents compare the prompt's tokens with the context window to decide when to shorten their history.
    """
    told = tokens(outcome.own)
    told["prompt_tokens_details"]["deliberation_tokens"] = outcome.spent.prompt
    told["completion_tokens_details"]["deliberation_tokens"] = outcome.spent.completion
    return {**told, "selfagg": account(outcome)}


def account(outcome: DeliberationResult) -> dict[str, Any]:
    """Return all that was spent, and how the answer came about.

    Tokens that the model's server did not report are estimated: ``calls_without_usage`` says of how many calls.
    """
    return {
        "method": dict(outcome.method),
        "calls": outcome.calls,
        "calls_without_usage": outcome.usage.unknown,
        **tokens(outcome.spent),
        "copies": outcome.copies,
        "closing": outcome.closing,
        "depth": outcome.depth,
        "chosen": [[member.t, member.i] for member in outcome.members],
        "stopped": outcome.method.get("stop") if outcome.stopped else None,
        "populations": list(outcome.populations),
        "answer": None if outcome.own.unknown else tokens(outcome.own),
        "cut_short": outcome.cut_short,
        "seed": outcome.seed,
        "record": outcome.record,
    }
