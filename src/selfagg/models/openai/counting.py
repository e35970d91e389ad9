"""Tokens of a conversation: counted by its server, or estimated."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from string import ascii_letters
from typing import Final

from selfagg.models.openai.client import ASK_S, Server
from selfagg.models.openai.refusal import Refusal
from selfagg.models.openai.wire import mapping
from selfagg.models.retries import TransientError
from selfagg.types import Message

IMAGE_TOKENS: Final = 1_500
"""Taken for an image within a conversation, whose bytes say nothing about its tokens: most models make fewer."""

Counter = Callable[[Server, Sequence[Message]], Awaitable[int]]
"""A function that counts the tokens of a conversation by asking its server."""


async def tried(counter: Counter | None, server: Server) -> Counter | None:
    """Return the counter, if it works on this server: behind a gateway, the paths beside ``/v1`` may be missing."""
    if counter is not None:
        try:
            await counter(server, ({"role": "user", "content": "one"},))
        except (Refusal, TransientError):
            return None
    return counter


def vllm_counter(model: str) -> Counter:
    """Return the function that counts tokens for a model on vLLM."""

    async def count(server: Server, messages: Sequence[Message]) -> int:
        body = {"model": model, "messages": [dict(message) for message in messages], "add_generation_prompt": True}
        answer = await server.post(f"{server.address.root}/tokenize", body, timeout_s=ASK_S)
        return _tokens(server, mapping(answer).get("count"))

    return count


async def count_by_llama_cpp(server: Server, messages: Sequence[Message]) -> int:
    """Count by llama.cpp's own template and tokenizer."""
    body = {"messages": [dict(message) for message in messages]}
    answer = await server.post(f"{server.address.root}/apply-template", body, timeout_s=ASK_S)
    text = {"content": mapping(answer).get("prompt"), "add_special": True, "parse_special": True}
    tokens = mapping(await server.post(f"{server.address.root}/tokenize", text, timeout_s=ASK_S)).get("tokens")
    return _tokens(server, len(tokens) if isinstance(tokens, list) else None)


def _tokens(server: Server, count: object) -> int:
    if not isinstance(count, int):
        raise TransientError(f"{server.url} did not count the tokens")
    return count


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Return the tokens of a conversation where the server cannot count them, meant to err upwards.

    Three letters make a token, and so does every other byte, digits and spaces included; 16 a message come on top
    for the chat template. With SmolLM2's tokenizer (49,152 tokens, one for each digit) this gave between 1.0 and 2.5
    times the true number on 710 questions of five benchmarks, least on grids of digits. Only letters without sense
    take more, where the server's refusal (`ContextOverflow`) is what remains. It looks at nothing but the
    conversation, so a rerun cuts its prompts the same.
    """
    images = 0

    def shown(value: object) -> object:
        nonlocal images
        if isinstance(value, str) and value.startswith("data:") and ";base64," in value[:100]:
            images += 1
            return ""
        if isinstance(value, Mapping):
            return {name: shown(one) for name, one in value.items()}
        return [shown(one) for one in value] if isinstance(value, list) else value

    data = json.dumps([shown(message) for message in messages], ensure_ascii=False).encode("utf-8", "replace")
    others = len(data.translate(None, ascii_letters.encode()))
    return others + (len(data) - others) // 3 + 16 * (len(messages) + 1) + IMAGE_TOKENS * images
