"""What an OpenAI-compatible server tells about itself: its models, their context, its slots, its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters
from typing import Any

from selfagg.errors import ModelError, UsageError
from selfagg.models.limiter import Limiter
from selfagg.models.openai_errors import Refusal
from selfagg.models.openai_server import ASK_S, Server, open_client, read_key
from selfagg.models.openai_wire import mapping
from selfagg.models.retries import Passing, RetryPolicy
from selfagg.near import meant
from selfagg.types import Message

_CONTEXT_FIELDS = ("max_model_len", "context_length", "context_window", "max_context_length")

IMAGE_TOKENS = 1_500
"""Taken for an image within a conversation, whose bytes say nothing about its tokens: most models make fewer."""

ONCE = RetryPolicy(tries=1, patience_s=0.0)
"""No second try, for who asks a person again."""

Counter = Callable[[Server, Sequence[Message]], Awaitable[int]]
"""Counts the tokens of a conversation by asking its server."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that a server lists.

    Attributes:
        id: Its name there.
        context: Tokens that prompt and reply may have together, or None where the list does not say.
        owner: ``vllm``, ``llamacpp``, ``sglang`` and others say there which program serves it.
    """

    id: str
    context: int | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server told about one model.

    Attributes:
        listed: Whether it lists the model; False where it keeps no list.
        context: Tokens that prompt and reply may have together, or None where it did not say.
        slots: Calls it works on at once, or None where it did not say.
        counter: How it counts tokens, or None where it cannot.
    """

    listed: bool = False
    context: int | None = None
    slots: int | None = None
    counter: Counter | None = None


async def served_models(url: str, key: str | None = None) -> list[ServedModel]:
    """Lists what a server serves.

    Args:
        url: Base URL.
        key: API key; None takes OPENAI_API_KEY.

    Raises:
        UsageError: It cannot be reached, refuses the key or has no list.
    """
    async with open_client() as http:
        server = Server(url, read_key(key, None), http, timeout_s=ASK_S)
        models = await _models(server, Limiter(ONCE, [server]))
    if models is None:
        raise UsageError(f"{server.url} does not list its models")
    return models


async def look_up(server: Server, model: str, limiter: Limiter[Server]) -> Facts:
    """Checks that a server serves a model, and asks it what it knows of it.

    Raises:
        UsageError: It cannot be reached, refuses the key or does not have the model.
    """
    models = await _models(server, limiter)
    if not models:
        return Facts()
    # Ollama lists "name:latest" for what it calls "name", Gemini "models/name"
    entry = next((one for one in models if one.id in (model, f"{model}:latest", f"models/{model}")), None)
    if entry is None:
        raise UsageError(f"{server.url} does not serve {model!r}; {_offer(model, [one.id for one in models])}")
    if entry.owner == "llamacpp":
        return await _ask_llama_cpp(server, entry)
    counter = _vllm_counter(model) if entry.owner == "vllm" else None
    return Facts(True, entry.context, counter=await _tried(counter, server))


async def _models(server: Server, limiter: Limiter[Server]) -> list[ServedModel] | None:
    """The server's list, or None if it keeps none."""

    async def ask(server: Server) -> object:
        try:
            return await server.get("models")
        except Refusal as refusal:
            raise refusal.error(server.url, proven=False) if refusal.passing else refusal from None
        except Passing as lost:
            if lost.unreachable:  # an address typed wrong will not come to life: say so at once
                raise UsageError(str(lost)) from None
            raise

    try:
        answer, _ = await limiter.run(ask)
    except ModelError as error:
        raise UsageError(str(error)) from None
    except Refusal as refusal:
        if refusal.status in (401, 403):
            words = f": {refusal.message}" if refusal.message else ""
            key = "refused the API key" if server.has_key else "asks for an API key"
            raise UsageError(f"{server.url} {key} ({refusal.status}{words})") from None
        if refusal.status in (404, 405, 501):
            return None
        raise UsageError(str(refusal.error(server.url, proven=False))) from None
    entries = mapping(answer).get("data")
    if not isinstance(entries, list):
        return None
    return [_served(entry) for entry in map(mapping, entries) if isinstance(entry.get("id"), str)]


def _served(entry: Mapping[str, Any]) -> ServedModel:
    meta = mapping(entry.get("meta"))  # llama.cpp: what one of its slots has, else what the model was trained with
    said = [entry.get(field) for field in _CONTEXT_FIELDS] + [meta.get("n_ctx"), meta.get("n_ctx_train")]
    context = next((tokens for tokens in said if isinstance(tokens, int) and tokens > 0), None)
    return ServedModel(entry["id"], context, str(entry.get("owned_by") or ""))


def _offer(model: str, ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return meant(model, ids) or f"it serves {', '.join(ids[:5])}{more}"


async def _ask_llama_cpp(server: Server, entry: ServedModel) -> Facts:
    """A slot's context is what one call has; the slots together are what the server does at once."""
    counter = await _tried(_count_by_llama_cpp, server)
    try:
        props = mapping(await server.get(f"{server.root}/props"))
    except (Refusal, Passing):
        return Facts(True, entry.context, counter=counter)
    context = mapping(props.get("default_generation_settings")).get("n_ctx")
    slots = props.get("total_slots")
    return Facts(
        True,
        context if isinstance(context, int) and context > 0 else entry.context,
        slots if isinstance(slots, int) and slots > 0 else None,
        counter,
    )


async def _tried(counter: Counter | None, server: Server) -> Counter | None:
    """The counter, if it works on this server: behind a gateway, the paths beside ``/v1`` may be missing."""
    if counter is not None:
        try:
            await counter(server, ({"role": "user", "content": "one"},))
        except (Refusal, Passing):
            return None
    return counter


def _vllm_counter(model: str) -> Counter:
    async def count(server: Server, messages: Sequence[Message]) -> int:
        body = {"model": model, "messages": [dict(message) for message in messages], "add_generation_prompt": True}
        answer = await server.post(f"{server.root}/tokenize", body, timeout_s=ASK_S)
        return _tokens(server, mapping(answer).get("count"))

    return count


async def _count_by_llama_cpp(server: Server, messages: Sequence[Message]) -> int:
    body = {"messages": [dict(message) for message in messages]}
    answer = await server.post(f"{server.root}/apply-template", body, timeout_s=ASK_S)
    text = {"content": mapping(answer).get("prompt"), "add_special": True, "parse_special": True}
    tokens = mapping(await server.post(f"{server.root}/tokenize", text, timeout_s=ASK_S)).get("tokens")
    return _tokens(server, len(tokens) if isinstance(tokens, list) else None)


def _tokens(server: Server, count: object) -> int:
    if not isinstance(count, int):
        raise Passing(f"{server.url} did not count the tokens")
    return count


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Tokens of a conversation where the server cannot count them, meant to err upwards.

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
