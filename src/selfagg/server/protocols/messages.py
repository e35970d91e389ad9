"""Messages (Anthropic): blocks in, blocks out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from selfagg.server.answers import account, finish_reason
from selfagg.server.deliberation import DeliberationResult
from selfagg.server.errors import APIError, refused
from selfagg.server.events import Ended, Piece, Progress, whole_piece
from selfagg.server.protocols.base import Api, Head, Writer, named
from selfagg.server.schemas import RsaOptions, read
from selfagg.types import Reply

SIGNATURE: Final = "selfagg"
"""Signs thinking blocks, which this server cannot sign as Anthropic does."""

_SAME: Final = ("model", "rsa", "stream", "seed", "temperature", "top_p", "top_k", "min_p", "chat_template_kwargs")
_READ: Final = (
    *("messages", "system", "max_tokens", "stop_sequences", "tools", "tool_choice", "output_config", "thinking"),
    *("metadata", "service_tier", "cache_control", "stream_options"),
)
_STOPS: Final = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}


class MessagesRequest(BaseModel):
    """A request of Anthropic's Messages API, and ``rsa``."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str
    max_tokens: int = Field(ge=1, description="Most tokens of one generation, not of all.")
    messages: list[dict[str, Any]] = Field(min_length=1)
    rsa: bool | RsaOptions | None = None
    stream: bool | None = None
    system: str | list[dict[str, Any]] | None = None
    stop_sequences: list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    temperature: float | None = Field(None, ge=0, le=100)
    top_p: float | None = Field(None, ge=0, le=1)


class MessagesApi(Api):
    """``POST /v1/messages``."""

    route = "messages"
    prefix = "msg_"
    names: ClassVar[Mapping[str, str]] = {
        "stop": "stop_sequences",
        "response_format": "output_config.format",
        "max_completion_tokens": "max_tokens",
    }
    form = MessagesRequest

    def read(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        request = read(MessagesRequest, body)
        if body.get("mcp_servers"):
            raise refused("mcp_servers: this server calls no tools itself", "mcp_servers")
        chat = {name: value for name, value in body.items() if name not in (*_SAME, *_READ, "n")}
        chat |= {name: body[name] for name in _SAME if body.get(name) is not None}
        chat["messages"] = conversation(body)
        own = [tool for tool in request.tools or () if tool.get("type") in (None, "custom")]
        wanted = {
            "max_completion_tokens": request.max_tokens,
            "stop": request.stop_sequences,
            "tools": [_tool(tool) for tool in own],
            "tool_choice": _tool_choice(request.tool_choice) if own else None,
            "response_format": _format(request.output_config),
            "reasoning_effort": (request.output_config or {}).get("effort"),
        }
        hosted = {f"tools ({tool.get('type')})": True for tool in request.tools or () if tool not in own}
        return [chat | {name: value for name, value in wanted.items() if value} | hosted]

    def whole(self, head: Head, outcomes: Sequence[DeliberationResult]) -> dict[str, Any]:
        (outcome,) = outcomes
        reply = outcome.members[0].reply or Reply("")
        blocks = [*_blocks(whole_piece(0, reply), thinks=_thinks(head))] or [{"type": "text", "text": ""}]
        return {**_message(head, blocks), **_stop(finish_reason(reply)), "usage": _usage(outcome)}

    def writer(self, head: Head) -> Writer:
        return _Stream(head)


def _thinks(head: Head) -> bool:
    """Return True if the client takes thinking blocks; one that did not ask for them reads the first block as text."""
    thinking = head.body.get("thinking")
    asked = isinstance(thinking, Mapping) and thinking.get("type") not in (None, "disabled")
    return asked or head.progress in ("reasoning", "members")


# -- what is read


def conversation(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return system prompt and messages as chat completions has them.

    Raises:
        APIError: A message or a block has no place in a conversation.
    """
    system = _text(body.get("system") or "", "system")
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for place, message in enumerate(body.get("messages") or ()):
        where, role = f"messages.{place}", message.get("role")
        if role not in ("user", "assistant", "system"):
            raise refused(f"{where}.role: {str(role)[:100]!r} is no role of a message", f"{where}.role")
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(blocks, list) or not all(isinstance(block, Mapping) for block in blocks):
            raise refused(f"{where}.content: it is text, or a list of blocks", f"{where}.content")
        messages += _turn(role, blocks, f"{where}.content")
    return messages


def _turn(role: str, blocks: Sequence[Mapping[str, Any]], where: str) -> Iterator[dict[str, Any]]:
    """Yield a turn's messages: results of tools are messages of their own, before what the user says."""
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for place, block in enumerate(blocks):
        at, kind = f"{where}.{place}", block.get("type")
        if kind == "tool_result":
            text = _text(block.get("content") or "", f"{at}.content")
            text = f"Error: {text}" if block.get("is_error") else text
            yield {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": text}
        elif kind == "tool_use":
            arguments = json.dumps(block.get("input") or {}, ensure_ascii=False)
            function = {"name": block.get("name"), "arguments": arguments}
            calls.append({"id": block.get("id"), "type": "function", "function": function})
        elif kind not in ("thinking", "redacted_thinking"):
            parts.append(_part(block, at))
    if all(part["type"] == "text" for part in parts):
        content: Any = "\n\n".join(part["text"] for part in parts)
    else:
        content = parts
    if calls:
        yield {"role": role, "content": content or None, "tool_calls": calls}
    elif parts or not blocks:
        yield {"role": role, "content": content}


def _text(content: str | Sequence[Mapping[str, Any]], where: str) -> str:
    if isinstance(content, str):
        return content
    parts = [_part(block, f"{where}.{place}") for place, block in enumerate(content)]
    return "\n\n".join(part.get("text") or f"[{part['type']}]" for part in parts)


def _part(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    kind, source = block.get("type"), block.get("source")
    if kind == "text":
        return {"type": "text", "text": str(block.get("text") or "")}
    if isinstance(source, Mapping) and kind in ("image", "document"):
        if source.get("type") == "text":
            return {"type": "text", "text": str(source.get("data") or "")}
        if source.get("type") == "base64":
            url = f"data:{source.get('media_type')};base64,{source.get('data')}"
            file = {"type": "file", "file": {"file_data": url, "filename": str(block.get("title") or "document")}}
            return file if kind == "document" else {"type": "image_url", "image_url": {"url": url}}
        if source.get("type") == "url" and kind == "image":
            return {"type": "image_url", "image_url": {"url": source.get("url")}}
    raise refused(f"{where}: blocks of type {str(kind)[:100]!r} are not taken here in this form", where)


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = {name: tool[name] for name in ("name", "description", "strict") if tool.get(name) is not None}
    return {"type": "function", "function": {**function, "parameters": tool.get("input_schema") or {"type": "object"}}}


def _tool_choice(choice: Mapping[str, Any] | None) -> Any:
    if choice is None:
        return None
    if choice.get("type") == "tool":
        return {"type": "function", "function": {"name": choice.get("name")}}
    if choice.get("type") not in _CHOICES:
        raise refused(
            f"tool_choice.type: {str(choice.get('type'))[:100]!r} is none of auto, any, tool, none", "tool_choice"
        )
    return _CHOICES[str(choice["type"])]


def _format(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    form = (config or {}).get("format")
    if not isinstance(form, Mapping) or form.get("type") != "json_schema":
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": form.get("schema") or {}}}


# -- what is written


def _message(head: Head, blocks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"id": head.id, "type": "message", "role": "assistant", "model": head.model, "content": list(blocks)}


def _stop(finish: str | None) -> dict[str, Any]:
    return {"stop_reason": finish and _STOPS.get(finish, "end_turn"), "stop_sequence": None}


def _usage(outcome: DeliberationResult | None) -> dict[str, Any]:
    """Return the tokens; as Anthropic has it, those from a cache are none of the input's."""
    usage: dict[str, Any] = {"input_tokens": 0, "output_tokens": 0}
    usage |= {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    if outcome:
        own = outcome.own
        usage |= {"input_tokens": own.prompt - own.cached, "cache_read_input_tokens": own.cached}
        usage |= {"output_tokens": own.completion, "selfagg": account(outcome)}
    return usage


def _blocks(piece: Piece, *, thinks: bool) -> Iterator[dict[str, Any]]:
    fields = piece.fields or {}
    if piece.reasoning and thinks:
        yield {"type": "thinking", "thinking": piece.reasoning, "signature": SIGNATURE}
    if text := piece.text or fields.get("refusal"):
        yield {"type": "text", "text": text}
    for call in fields.get("tool_calls") or ():
        function = call.get("function") or {}
        try:
            given = json.loads(function.get("arguments") or "{}")
        except ValueError:
            given = {"arguments": function.get("arguments")}  # the model wrote no JSON: the client sees what it wrote
        yield {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": given}


class _Stream(Writer):
    """The events, one block after the other."""

    silence = named({"type": "ping"})

    def __init__(self, head: Head) -> None:
        super().__init__(head)
        self._block: tuple[str, object] | None = None  # its kind, and which call it is
        self._index = -1
        self._finish: str | None = None

    def begin(self) -> list[bytes]:
        message = {**_message(self.head, ()), **_stop(None), "usage": _usage(None)}
        return [named({"type": "message_start", "message": message})]

    def progress(self, event: Progress) -> list[bytes]:
        if self.head.progress == "none" or event.late or not _thinks(self.head):
            return []
        return self._add("thinking", f"{event.line}\n")

    def piece(self, event: Piece) -> list[bytes]:
        fields = event.fields or {}
        found = self._add("thinking", event.reasoning) if event.reasoning and _thinks(self.head) else []
        if text := event.text or fields.get("refusal"):
            found += self._add("text", text)
        for call in fields.get("tool_calls") or ():
            function, mark = call.get("function") or {}, call.get("index", 0)
            block = {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": {}}
            found += self._open(("tool_use", mark), block)
            if written := function.get("arguments"):
                found.append(self._delta({"type": "input_json_delta", "partial_json": written}))
        return found

    def ended(self, event: Ended) -> list[bytes]:
        self._finish = event.finish
        return []

    def done(self, outcome: DeliberationResult) -> list[bytes]:
        empty = [] if self._block and self._block[0] != "thinking" else self._add("text", "")
        end = {"type": "message_delta", "delta": _stop(self._finish or "stop"), "usage": _usage(outcome)}
        return [*empty, *self._close(), named(end), named({"type": "message_stop"})]

    def failed(self, error: APIError) -> list[bytes]:
        return [named(error.anthropic)]

    def _add(self, kind: str, text: str) -> list[bytes]:
        more = {"signature": ""} if kind == "thinking" else {}
        opened = self._open((kind, None), {"type": kind, kind: "", **more})
        return [*opened, *([self._delta({"type": f"{kind}_delta", kind: text})] if text else [])]

    def _open(self, block: tuple[str, object], start: Mapping[str, Any]) -> list[bytes]:
        if self._block == block:
            return []
        closed = self._close()
        self._block, self._index = block, self._index + 1
        return [*closed, named({"type": "content_block_start", "index": self._index, "content_block": start})]

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return named({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> list[bytes]:
        if self._block is None:
            return []
        signed = [self._delta({"type": "signature_delta", "signature": SIGNATURE})] * (self._block[0] == "thinking")
        self._block = None
        return [*signed, named({"type": "content_block_stop", "index": self._index})]
