"""A conversation as the tokens of a prompt, by the chat template of a model that runs in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from selfagg.errors import ModelError
from selfagg.models.base import text_bytes
from selfagg.types import Message, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FIELD: Final = "chat_template_kwargs"
"""Field of a request's ``extra_body`` with what its chat template is told; vLLM's servers call it so."""

_LONG: Final = 16_384  # bytes of a conversation from which on it is tokenized on a thread


def template_settings(sampling: Sampling) -> dict[str, Any]:
    """Return the settings of a chat template beside the conversation, e.g. to think or not."""
    given = sampling.extra_body.get(FIELD) or {}
    if not isinstance(given, Mapping):
        raise ModelError(f"extra_body: {FIELD} is an object of names and values", fatal=True)
    effort = {"reasoning_effort": sampling.reasoning_effort} if sampling.reasoning_effort else {}
    return effort | dict(given)


async def encoded(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], settings: Mapping[str, Any]
) -> list[int]:
    """Return the conversation as a prompt, up to where the reply begins; a long one does not hold the event loop up.

    Args:
        tokenizer: With a chat template.
        messages: The conversation.
        settings: Settings of the template beside it.

    Raises:
        ModelError: The chat template refuses the conversation, or there is more than text in it.
    """
    if text_bytes(messages) < _LONG:
        return _tokens(tokenizer, messages, settings)
    return await asyncio.to_thread(_tokens, tokenizer, messages, settings)


def _tokens(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], settings: Mapping[str, Any]) -> list[int]:
    from jinja2 import TemplateError

    conversation = [{**message, "content": _text(message.get("content"))} for message in messages]
    try:
        text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True, **settings)
    except (TemplateError, TypeError, ValueError) as error:
        raise ModelError(f"the model's chat template refuses the conversation: {error}") from None
    tokens: list[int] = tokenizer(str(text), add_special_tokens=False)["input_ids"]
    return tokens


def _text(content: object) -> str:
    """Return a message's text; parts are joined as they stand."""
    if content is None or isinstance(content, str):
        return content or ""
    texts: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        if not isinstance(part, Mapping) or part.get("type") != "text":
            raise ModelError("a model in the process reads text only, and a message holds something else")
        texts.append(str(part["text"]))
    return "".join(texts)
