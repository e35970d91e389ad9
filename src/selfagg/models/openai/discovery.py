"""The facts that a server gives about itself: its models, their context, its slots, its count of a prompt's tokens.

They inform and never veto.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from string import ascii_letters
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from selfagg._internal.arguments import did_you_mean
from selfagg.errors import ModelError, UsageError
from selfagg.models.limiter import Limiter
from selfagg.models.openai.address import Credentials, read_address
from selfagg.models.openai.client import Server
from selfagg.models.openai.refusal import Refusal
from selfagg.models.openai.wire import mapping
from selfagg.models.pace import TransientError
from selfagg.types import Message

LIST_S: Final = 10.0
"""Longest wait for a list of models: a gateway may ask all its providers for theirs."""
IMAGE_TOKENS: Final = 1_500
"""Taken for an image within a conversation, whose bytes say nothing about its tokens: most models make fewer."""

_CONTEXT_FIELDS = ("max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens")
_NAMES = ("id", "name", "model", "model_id", "model_name", "slug")
_LISTS = ("data", "models", "items", "results", "result")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model as its server describes it; what the server did not tell is empty or None."""

    id: str
    context: int | None = None  # tokens that prompt and reply may have together
    owner: str = ""  # the program that serves it: vllm, llamacpp, sglang, library (Ollama), openrouter, or another
    supported: tuple[str, ...] = ()  # the parameters that OpenRouter names
    listed: bool = False
    slots: int | None = None  # calls it works on at once
    counts: bool = False  # the tokens of a conversation
    note: str = ""  # on an odd list
    hint: str = ""  # for the case that the model is not there


async def served_models(url: str, credentials: Credentials) -> list[ServedModel]:
    """List what a server serves, or raise `UsageError`."""
    server = Server(read_address(url), credentials, timeout_s=LIST_S)
    server.open()
    try:
        models = await _found(server, "")
    except Refusal as refusal:
        if refusal.status not in (404, 405, 501):
            raise UsageError(_refusal(server, refusal)) from None
        models = None
    except TransientError as lost:
        raise UsageError(str(lost)) from None
    finally:
        await server.close()
    if models is None:
        raise UsageError(f"{server.url} does not list its models")
    return models


async def look_up(server: Server, model: str, limiter: Limiter[Server]) -> ServedModel:
    """Ask a server what it knows of a model; raise `UsageError` where it cannot be reached."""
    try:
        models, _ = await limiter.run(lambda server: _once_loaded(server, model))
    except (Refusal, ModelError) as refusal:
        if isinstance(refusal, Refusal) and refusal.status in (404, 405, 501):
            return ServedModel(model)
        why = _refusal(server, refusal) if isinstance(refusal, Refusal) else str(refusal)
        note = f"{why} when asked for its models; the first call will show whether that matters"
        return ServedModel(model, note=note)
    if not models:
        return ServedModel(model)
    # Ollama lists "name:latest" for what it calls "name", Gemini "models/name"
    entry = next((one for one in models if one.id in (model, f"{model}:latest", f"models/{model}")), None)
    if entry is None:
        ids = [one.id for one in models]
        more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
        offer = did_you_mean(model, ids) or f"it lists {', '.join(ids[:5])}{more}"
        note = f"{server.url} does not list {model!r} ({offer}); it is asked for all the same"
        return ServedModel(model, owner=models[0].owner if len(models) == 1 else "", note=note, hint=f"; {offer}")
    context, slots, counts = entry.context, None, False
    with suppress(Refusal, TransientError):  # behind a gateway, the paths beside ``/v1`` may be missing
        if entry.owner in ("llamacpp", "vllm"):
            await counted_tokens(server, entry, ({"role": "user", "content": "one"},))
            counts = True
    with suppress(Refusal, TransientError):
        if entry.owner == "llamacpp":  # a slot's context is what one call has, and slots are what runs at once
            props = mapping(await server.ask(f"{server.address.root}/props"))
            context = _positive(mapping(props.get("default_generation_settings")).get("n_ctx")) or context
            slots = _positive(props.get("total_slots"))
        elif entry.owner == "library":  # Ollama cuts prompts longer than the window of a loaded model in silence
            running = mapping(await server.ask(f"{server.address.root}/api/ps")).get("models")
            for one in map(mapping, running if isinstance(running, list) else []):
                if one.get("name") == entry.id:
                    context = _positive(one.get("context_length")) or context
    return replace(entry, listed=True, context=context, slots=slots, counts=counts)


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


async def _once_loaded(server: Server, model: str) -> list[ServedModel] | None:
    """Return the server's list; only for a model that is being loaded does it make sense to ask again."""
    try:
        return await _found(server, model)
    except Refusal as refusal:
        if refusal.loading:
            raise refusal.error(server.url, proven=False) from None
        raise
    except TransientError as lost:
        if lost.unreachable:  # an address typed wrong will not come to life: say so at once
            raise UsageError(str(lost)) from None
        if await _speaks_tls(server):
            raise UsageError(f"{server.url} speaks TLS: write https:// in the base URL") from None
        raise lost.final() from None


async def _found(server: Server, model: str) -> list[ServedModel] | None:
    """Return the server's list, with or without ``/v1`` in the address; None if it keeps none."""
    try:
        return await _models(server, model)
    except Refusal as missing:
        if server.address.other is None or missing.status not in (404, 405):
            raise
        given, server.address = server.address, server.address.turned()
        try:
            models = await _models(server, model)
        except (Refusal, TransientError):
            server.address = given
            raise missing from None
        if models is None:
            server.address = given
        return models


async def _models(server: Server, model: str) -> list[ServedModel] | None:
    """Return all pages of the list, or those up to the model; None if it keeps none."""
    path: str | None = "models"
    found: dict[str, ServedModel] = {}
    for _ in range(20):
        answer = await server.ask(path or "models", timeout_s=LIST_S)
        entries = list(_entries(answer))
        new = {entry.id: entry for entry in entries if entry.id not in found}
        found |= new
        path = _next_page(answer, entries)
        if not new or path is None or model in found:
            break
    is_list = isinstance(answer, list) or any(isinstance(mapping(answer).get(name), list | dict) for name in _LISTS)
    return list(found.values()) if found or is_list else None


def _entries(answer: object) -> Iterator[ServedModel]:
    listed = answer
    if isinstance(answer, Mapping):
        listed = next((answer[name] for name in _LISTS if isinstance(answer.get(name), list | dict)), [])
    if isinstance(listed, Mapping):
        listed = [{"id": name, **mapping(entry)} for name, entry in listed.items()]
    for entry in listed if isinstance(listed, list) else []:
        fields = {"id": entry} if isinstance(entry, str) else mapping(entry)
        name = next((name for key in _NAMES if isinstance(name := fields.get(key), str) and name), None)
        if name is not None:
            yield _served(name, fields)


def _served(name: str, entry: Mapping[str, Any]) -> ServedModel:
    meta = mapping(entry.get("meta"))  # llama.cpp: what one of its slots has, else what the model was trained with
    said = [entry.get(field) for field in _CONTEXT_FIELDS] + [meta.get("n_ctx"), meta.get("n_ctx_train")]
    owner = str(entry.get("owned_by") or "")
    if "supported_parameters" in entry:
        owner = "openrouter"
    elif "max_model_len" in entry and owner not in ("vllm", "sglang"):
        owner = "vllm"
    supported = entry.get("supported_parameters")
    supported = tuple(map(str, supported)) if isinstance(supported, list) else ()
    return ServedModel(name, next(filter(None, map(_positive, said)), None), owner, supported)


def _next_page(answer: object, entries: Sequence[ServedModel]) -> str | None:
    """Return the address of a list's next page, in any of the forms servers use; None: this is the last."""
    data = mapping(answer)
    links = mapping(data.get("links")) or mapping(data.get("pagination")) or data
    following = links.get("next") or data.get("next_url") or data.get("next")
    if isinstance(following, str) and following.startswith(("http://", "https://", "?")):
        return f"models?{urlsplit(following).query}"
    token = data.get("next_page_token") or data.get("nextPageToken")
    if isinstance(token, str) and token:
        return "models?" + urlencode({"page_token": token, "pageToken": token})
    if data.get("has_more") is True and entries:
        last = data.get("last_id") or entries[-1].id
        return "models?" + urlencode({"after_id": str(last), "after": str(last)})
    return None


def _refusal(server: Server, refusal: Refusal) -> str:
    words = f": {refusal.message}" if refusal.message else ""
    if refusal.status in (401, 403):
        key = "refused the API key" if server.credentials.named else "asks for an API key"
        return f"{server.url} {key} ({refusal.status}{words})"
    return f"{server.url} answered {refusal.status}{words}"


async def _speaks_tls(server: Server) -> bool:
    """Return True if TLS is spoken at an address that was given as http:// and gave no answer of HTTP."""
    parts = urlsplit(server.url)
    if parts.scheme != "http" or not parts.port:
        return False
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE  # nothing is sent
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=unchecked)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


# -- tokens of a conversation


async def counted_tokens(server: Server, model: ServedModel, messages: Sequence[Message]) -> int:
    """Let llama.cpp or vLLM count, by the model's own template and tokenizer; raise as `Server.events` does."""
    root = server.address.root
    body: dict[str, Any] = {"messages": [dict(message) for message in messages]}
    if model.owner == "vllm":
        body |= {"model": model.id, "add_generation_prompt": True}
        count = mapping(await server.ask(f"{root}/tokenize", body)).get("count")
    else:
        prompt = mapping(await server.ask(f"{root}/apply-template", body)).get("prompt")
        text = {"content": prompt, "add_special": True, "parse_special": True}
        tokens = mapping(await server.ask(f"{root}/tokenize", text)).get("tokens")
        count = len(tokens) if isinstance(tokens, list) else None
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
