"""A request in the terms of transformers: tokens of a prompt, and how the reply's tokens are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from selfagg.errors import ModelError
from selfagg.models.hf_sampling import Choice
from selfagg.types import Message, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FIELDS: Final = ("top_k", "min_p", "chat_template_kwargs")


def choice(sampling: Sampling) -> Choice:
    """How tokens are chosen.

    Raises:
        ModelError: ``extra_body`` has a field that means nothing here, or a value that cannot be one.
    """
    extra = dict(sampling.extra_body)
    unknown = [name for name in extra if name not in _FIELDS]
    if unknown:
        known = ", ".join(_FIELDS)
        raise ModelError(f"extra_body: a model in the process knows no field {unknown[0]!r}, only {known}", fatal=True)
    top_p = 1.0 if sampling.top_p is None else sampling.top_p
    try:
        return Choice(sampling.temperature, top_p, max(0, int(extra.get("top_k", 0))), float(extra.get("min_p", 0.0)))
    except (TypeError, ValueError):
        raise ModelError("extra_body: top_k is a whole number, min_p a number", fatal=True) from None


def template_settings(sampling: Sampling) -> dict[str, Any]:
    """What a chat template is told beside the conversation, e.g. whether to think."""
    given = sampling.extra_body.get("chat_template_kwargs") or {}
    if not isinstance(given, Mapping):
        raise ModelError("extra_body: chat_template_kwargs is an object of names and values", fatal=True)
    effort = {"reasoning_effort": sampling.reasoning_effort} if sampling.reasoning_effort else {}
    return effort | dict(given)


def prompt_tokens(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], settings: Mapping[str, Any]
) -> list[int]:
    """The conversation as a prompt, up to where the reply begins.

    Raises:
        ModelError: The chat template refuses the conversation, or there is more than text in it.
    """
    from jinja2 import TemplateError

    conversation = [{**message, "content": _text(message.get("content"))} for message in messages]
    try:
        text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True, **settings)
    except (TemplateError, TypeError, ValueError) as error:
        raise ModelError(f"the model's chat template refuses the conversation: {error}") from None
    tokens: list[int] = tokenizer(str(text), add_special_tokens=False)["input_ids"]
    return tokens


def _text(content: object) -> str:
    """A message's text; parts are joined as they stand."""
    if content is None or isinstance(content, str):
        return content or ""
    texts: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        if not isinstance(part, Mapping) or part.get("type") != "text":
            raise ModelError("a model in the process reads text only, and a message holds something else")
        texts.append(str(part["text"]))
    return "".join(texts)
