"""What a deliberation's outcome looks like in the API's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfagg.server.deliberation import Outcome
from selfagg.server.plan import Plan
from selfagg.types import Member, Reply, Stop, Usage

_FINISH = {Stop.FINISHED: "stop", Stop.LENGTH: "length", Stop.FILTERED: "content_filter", Stop.UNKNOWN: "stop"}
_REPLACED = ("role", "content", "reasoning", "reasoning_content")


def completion(outcome: Outcome, plan: Plan, head: dict[str, Any]) -> dict[str, Any]:
    """A whole chat completion; ``head`` holds its id, model and time."""
    choices = [choice(member, index) for index, member in enumerate(outcome.members)]
    return {**head, "object": "chat.completion", "choices": choices, "usage": usage(outcome, plan)}


def choice(member: Member, index: int) -> dict[str, Any]:
    """One answer, with what its server said beyond text: tool calls, log-probabilities, a refusal."""
    reply = member.reply or Reply("")
    return {
        "index": index,
        "message": message(reply),
        "logprobs": logprobs(reply.choice),
        "finish_reason": finish_reason(reply),
    }


def logprobs(told: Mapping[str, Any] | None) -> Any:
    """Log-probabilities as a server gave them with a choice, or None."""
    found = (told or {}).get("logprobs")
    return found if isinstance(found, Mapping) and any(found.values()) else None


def message(reply: Reply) -> dict[str, Any]:
    """The assistant's message."""
    told = (reply.choice or {}).get("message") or {}
    more = {name: value for name, value in told.items() if name not in _REPLACED and value is not None}
    called = bool(more.get("tool_calls") or more.get("function_call"))
    refusal = more.get("refusal")
    content = None if (called or refusal) and (not reply.text or reply.text == refusal) else reply.text
    reasoning = {"reasoning_content": reply.reasoning} if reply.reasoning else {}
    return {"role": "assistant", "content": content, "refusal": None, **reasoning, **more}


def finish_reason(reply: Reply) -> str:
    """Why the answer ended: as its server put it, or in the API's words for it."""
    told = (reply.choice or {}).get("finish_reason")
    return told if isinstance(told, str) else _FINISH[reply.stop]


def usage(outcome: Outcome, plan: Plan) -> dict[str, Any]:
    """Return the tokens of all calls; the answers' own, and how they came about, under ``selfagg``.

    Tokens that the model's server did not tell are estimated: ``calls_without_usage`` says of how many calls.
    """
    own = Usage()
    for member in outcome.members:
        own += member.reply.usage if member.reply else Usage()
    return {
        **_tokens(outcome.usage + outcome.estimated),
        "selfagg": {
            "method": dict(plan.method.settings()),
            "calls": outcome.calls,
            "calls_without_usage": outcome.usage.unknown,
            "copies": outcome.copies,
            "depth": outcome.members[0].t,
            "stopped": plan.method.settings().get("stop") if outcome.stopped else None,
            "populations": list(outcome.populations),
            "answer": None if own.unknown else _tokens(own),
            "cut_short": outcome.cut_short,
            "seed": plan.settings.seed,
            "record": outcome.record,
        },
    }


def _tokens(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
