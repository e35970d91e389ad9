"""Fit a prompt into a model's context before the model refuses it."""

from __future__ import annotations

from dataclasses import dataclass

from selfagg.errors import TooLong
from selfagg.models.base import Model, text_bytes
from selfagg.prompts.prompt import CandidateFormat, Prompt, shorten
from selfagg.types import Message

DEFAULT_MAX_TOKENS = 8192
"""Most new tokens of a reply in the paper."""

LEAST_REPLY = 64
"""The least room for a reply, in tokens, with which a call is worth making."""

_TEMPLATE_BYTES = 64
"""More than any chat template adds around a message."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt that fits."""

    messages: tuple[Message, ...]
    max_tokens: int  # the room that is left for the reply, at most what was asked for
    cut: int = 0  # shortened candidates


def reply_room(max_tokens: int | None, context: int | None) -> int:
    """Return the most tokens of a reply: what the user says, or the paper's 8192, or a quarter of a smaller context."""
    if max_tokens is not None:
        return max_tokens
    return DEFAULT_MAX_TOKENS if context is None else max(1, min(DEFAULT_MAX_TOKENS, context // 4))


async def fit(
    prompt: Prompt, candidate_format: CandidateFormat, model: Model, max_tokens: int, context: int | None
) -> Fitted:
    """Shorten the candidates evenly, keeping their ends, until prompt and reply fit the context together.

    Raises:
        TooLong: Not even the question fits.
    """
    texts = [candidate_format(candidate) for candidate in prompt.shown]
    messages = prompt.messages(texts)
    if context is None:
        return Fitted(messages, max_tokens)
    # No byte-level tokenizer makes more tokens than bytes: most prompts fit without being counted.
    if text_bytes(messages) + _TEMPLATE_BYTES * len(messages) <= context - max_tokens:
        return Fitted(messages, max_tokens)
    tokens = await model.count_tokens(messages)
    if tokens <= context - max_tokens:
        return Fitted(messages, max_tokens)

    async def tokens_at(length: int) -> int:
        return await model.count_tokens(prompt.messages([shorten(text, length) for text in texts]))

    left = context - (await tokens_at(0) if texts else tokens)
    if left < LEAST_REPLY:
        raise TooLong(
            f"question {prompt.question.id}: its prompt takes {context - left} tokens, and a context of {context} "
            "tokens leaves no room for a reply"
        )
    asked, max_tokens = max_tokens, min(max_tokens, left // 2 if texts else left)  # half is the candidates' at most
    if tokens <= context - max(max_tokens, min(asked, LEAST_REPLY)):  # they need less
        return Fitted(messages, min(asked, context - tokens))
    short, long = 0, max(map(len, texts), default=0)  # characters of each candidate: fits, does not fit
    while long - short > 16:
        middle = (short + long) // 2
        if await tokens_at(middle) <= context - max_tokens:
            short = middle
        else:
            long = middle
    shortened = [shorten(text, short) for text in texts]
    cut = sum(before is not after for before, after in zip(texts, shortened, strict=True))
    return Fitted(prompt.messages(shortened), max_tokens, cut)
