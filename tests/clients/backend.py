"""A simulated OpenAI-compatible model server: chat completions with tools, schemas and streams, and nothing else.

The server speaks no other protocol, so `selfagg serve` must translate. It prints its address, and ends with its input.

A first answer contains ``draft``. A prompt that shows drafts is answered with ``aggregated``: a client that reads this
word has got an answer of RSA.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

MODEL = "simulated-7b"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def main() -> None:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _chat)
    threading.Thread(target=_end_with_the_input, daemon=True).start()
    web.run_app(app, host="127.0.0.1", port=0, print=lambda told: print(told.split()[3], flush=True))


def _end_with_the_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


async def _models(request: web.Request) -> web.Response:
    card = {"id": MODEL, "object": "model", "created": 1, "owned_by": "simulated", "max_model_len": 32768}
    return web.json_response({"object": "list", "data": [card]})


async def _chat(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    message = reply(body)
    reason = "tool_calls" if "tool_calls" in message else "stop"
    head = {"id": "chatcmpl-1", "created": 1, "model": MODEL}
    if not body.get("stream"):
        choices = [{"index": i, "message": message, "finish_reason": reason} for i in range(body.get("n") or 1)]
        return web.json_response(head | {"object": "chat.completion", "choices": choices, "usage": USAGE})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for delta in [*_deltas(message), None]:
        choice = {"index": 0, "delta": delta or {}, "finish_reason": None if delta else reason}
        await _send(response, head | {"object": "chat.completion.chunk", "choices": [choice]})
    if (body.get("stream_options") or {}).get("include_usage"):
        await _send(response, head | {"object": "chat.completion.chunk", "choices": [], "usage": USAGE})
    await response.write(b"data: [DONE]\n\n")
    return response


async def _send(response: web.StreamResponse, event: object) -> None:
    await response.write(f"data: {json.dumps(event)}\n\n".encode())


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the pieces of a message: words, or calls with their arguments in two halves."""
    yield {"role": "assistant", "content": "" if message["content"] is not None else None}
    for word in (message["content"] or "").split(" "):
        yield {"content": word + " "} if message["content"] else {}
    for index, call in enumerate(message.get("tool_calls", ())):
        text = call["function"]["arguments"]
        opened = call | {"index": index, "function": call["function"] | {"arguments": ""}}
        yield {"tool_calls": [opened]}
        for half in (text[: len(text) // 2], text[len(text) // 2 :]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": half}}]}


def reply(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the assistant's message for a request, decided by the request alone."""
    called = _tool(body)
    if called:
        arguments = json.dumps(_instance(called.get("parameters") or {}, {}))
        function = {"name": called["name"], "arguments": arguments}
        calls = [{"id": f"call_{called['name']}", "type": "function", "function": function}]
        return {"role": "assistant", "content": None, "tool_calls": calls}
    return {"role": "assistant", "content": _text(body)}


def _tool(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Choose the tool to call: the one that is demanded, or one that the question names and no result is there of."""
    tools: list[dict[str, Any]] = [
        tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"
    ]
    choice = body.get("tool_choice")
    if not tools or choice == "none":
        return None
    if isinstance(choice, dict):
        return next(tool for tool in tools if tool["name"] == choice["function"]["name"])
    answered = any(message["role"] == "tool" for message in body["messages"])
    named = [tool for tool in tools if tool["name"] in _said(body["messages"], "user")]
    if named and not answered:
        return named[0]
    return tools[-1] if choice == "required" else None


def _text(body: Mapping[str, Any]) -> str:
    messages = body["messages"]
    form = body.get("response_format") or {}
    said = _said(messages, "user", "system", "developer")
    word = "aggregated" if "draft" in said or "aggregated" in said else "draft"
    if form.get("type") == "json_schema":
        return json.dumps(_instance(form["json_schema"]["schema"], {}))
    if form.get("type") == "json_object":
        return json.dumps({"answer": f"{word} 391"})
    if messages[-1]["role"] == "tool":
        return f"The tool says {_content(messages[-1])}."
    if "[[ ## answer ## ]]" in said:  # DSPy's markup
        return f"[[ ## answer ## ]]\n{word} 391\n\n[[ ## completed ## ]]"
    return f"The {word} answer is 391."


def _said(messages: list[dict[str, Any]], *roles: str) -> str:
    return "\n".join(_content(message) for message in messages if message["role"] in roles)


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def _instance(schema: Mapping[str, Any], defined: Mapping[str, Any]) -> Any:
    """Return a value that a JSON schema allows."""
    defined = schema.get("$defs", defined)
    if "$ref" in schema:
        return _instance(defined[schema["$ref"].rpartition("/")[2]], defined)
    if "anyOf" in schema:
        return _instance(schema["anyOf"][0], defined)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        properties = schema.get("properties", {})
        return {
            name: _instance(part, defined) for name, part in properties.items() if name in schema.get("required", ())
        }
    if kind == "array":
        return [_instance(schema.get("items", {"type": "string"}), defined)]
    return {"integer": 12, "number": 12.5, "boolean": True, "null": None}.get(kind, "Paris")


if __name__ == "__main__":
    main()
