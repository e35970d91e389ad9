"""Messages (Anthropic): blocks in, blocks out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import Field

from selfagg.server.deliberation import (
    DeliberationResult,
    Ended,
    Event,
    MemberDone,
    Piece,
    finish_reason,
    whole_piece,
)
from selfagg.server.errors import refused, sse
from selfagg.server.fields import Form, read
from selfagg.server.protocols import Api, called, joined, parts_of, role_of

SIGNATURE: Final = "selfagg"  # signs thinking blocks, which this server cannot sign as Anthropic does
_READ: Final = (
    *("messages", "system", "max_tokens", "stop_sequences", "tools", "tool_choice", "output_config", "thinking"),
    *("metadata", "service_tier", "cache_control", "stream_options", "n"),
)
_STOPS: Final = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}


class MessagesRequest(Form):
    """A request of Anthropic's Messages API, and ``rsa``."""

    max_tokens: int = Field(ge=1, description="Most tokens of one generation, not of all.")
    messages: list[dict[str, Any]] = Field(min_length=1)
    system: str | list[dict[str, Any]] | None = None
    stop_sequences: list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None


class MessagesApi(Api):
    """``POST /v1/messages``; a stream has one block after the other."""

    route = "messages"
    prefix = "msg_"
    names: ClassVar[Mapping[str, str]] = {
        "stop": "stop_sequences",
        "response_format": "output_config.format",
        "max_completion_tokens": "max_tokens",
    }
    form = MessagesRequest

    def __init__(self, body: Mapping[str, Any], digest: str | None = None) -> None:
        super().__init__(body, digest)
        thinking = body.get("thinking")
        asked = isinstance(thinking, Mapping) and thinking.get("type") not in (None, "disabled")
        # A client that did not ask for thinking blocks reads the first block as text.
        self._thinks = asked or self.shows in ("reasoning", "members")
        self._content: list[dict[str, Any]] = []  # the blocks so far
        self._block: tuple[str, object] | None = None  # the kind of the one that is open, and which call it is
        self._arguments = ""  # of that call
        self._finish = "stop"

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        request = read(MessagesRequest, body)
        if body.get("mcp_servers"):
            raise refused("mcp_servers: this server calls no tools itself", "mcp_servers")
        system = _text(request.system or "", "system")
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        for place, message in enumerate(request.messages):
            messages += _turn(message, f"messages.{place}")
        own = [tool for tool in request.tools or () if tool.get("type") in (None, "custom")]
        config = request.output_config or {}
        wanted = {
            "messages": messages,
            "max_completion_tokens": request.max_tokens,
            "stop": request.stop_sequences,
            "tools": [_tool(tool) for tool in own],
            "tool_choice": _tool_choice(request.tool_choice) if own else None,
            "response_format": _format(config.get("format")),
            "reasoning_effort": config.get("effort"),
        }
        rest = {name: value for name, value in body.items() if name not in _READ}
        hosted = {f"tools ({tool.get('type')})": True for tool in request.tools or () if tool not in own}
        return [rest | {name: value for name, value in wanted.items() if value} | hosted]

    def whole(self, results: Sequence[DeliberationResult]) -> dict[str, Any]:
        (result,) = results
        reply = result.replies[0]
        for event in (whole_piece(0, reply), Ended(0, finish_reason(reply)), result):
            self.write(event)
        return self._message(self._finish, _usage(result))

    def begin(self) -> bytes:
        return sse({"type": "message_start", "message": self._message(None, _usage(None))})

    def write(self, event: Event) -> bytes:
        match event:
            case None:
                return sse({"type": "ping"})
            case MemberDone():
                told = self._thinks and self.shows != "none" and not event.late
                return self._add("thinking", f"{event.line}\n") if told else b""
            case Piece():
                return self._piece(event)
            case Ended():
                self._finish = event.finish
                return b""
            case DeliberationResult():
                empty = b"" if self._block and self._block[0] != "thinking" else self._add("text", "")
                end = {"type": "message_delta", "delta": _stop(self._finish), "usage": _usage(event)}
                return empty + self._close() + sse(end) + sse({"type": "message_stop"})

    def _message(self, finish: str | None, usage: Mapping[str, Any]) -> dict[str, Any]:
        head = {"id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": self._content}
        return {**head, **_stop(finish), "usage": usage}

    def _piece(self, piece: Piece) -> bytes:
        found = self._add("thinking", piece.reasoning) if piece.reasoning and self._thinks else b""
        if text := piece.text or piece.fields.get("refusal"):
            found += self._add("text", text)
        for call in piece.fields.get("tool_calls") or ():
            function = call.get("function") or {}
            block = {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": {}}
            found += self._open(("tool_use", call.get("index", 0)), block)
            if written := function.get("arguments"):
                self._arguments += written
                found += self._delta({"type": "input_json_delta", "partial_json": written})
        return found

    def _add(self, kind: str, text: str) -> bytes:
        opened = self._open((kind, None), {"type": kind, kind: "", **({"signature": ""} if kind == "thinking" else {})})
        self._content[-1][kind] += text
        return opened + (self._delta({"type": f"{kind}_delta", kind: text}) if text else b"")

    def _open(self, block: tuple[str, object], start: dict[str, Any]) -> bytes:
        if self._block == block:
            return b""
        closed = self._close()
        self._block, self._arguments = block, ""
        self._content.append(start)
        return closed + sse(self._about("start", content_block=start))

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return sse(self._about("delta", delta=delta))

    def _about(self, what: str, **fields: Any) -> dict[str, Any]:
        return {"type": f"content_block_{what}", "index": len(self._content) - 1, **fields}

    def _close(self) -> bytes:
        if self._block is None:
            return b""
        (kind, _), block, signed = self._block, self._content[-1], b""
        self._block = None
        if kind == "thinking":
            block["signature"] = SIGNATURE
            signed = self._delta({"type": "signature_delta", "signature": SIGNATURE})
        elif kind == "tool_use":
            try:
                block["input"] = json.loads(self._arguments or "{}")
            except ValueError:  # the model wrote no JSON: the client sees what it wrote
                block["input"] = {"arguments": self._arguments}
        return signed + sse(self._about("stop"))


def _stop(finish: str | None) -> dict[str, Any]:
    return {"stop_reason": finish and _STOPS.get(finish, "end_turn"), "stop_sequence": None}


def _usage(result: DeliberationResult | None) -> dict[str, Any]:
    """Return the tokens; as Anthropic has it, those from a cache are none of the input's."""
    names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    if result is None:
        return dict.fromkeys(names, 0)
    own = result.own
    figures = (own.prompt - own.cached, own.completion, 0, own.cached)
    return {**dict(zip(names, figures, strict=True)), "selfagg": result.account}


def _turn(message: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Yield a turn's messages: results of tools are messages of their own, before what the user says."""
    role, content = role_of(message, ("user", "assistant", "system"), where), message.get("content")
    text = [{"type": "text", "text": content}]
    blocks = text if isinstance(content, str) else parts_of(content, f"{where}.content", "blocks")
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for place, block in enumerate(blocks):
        at, kind = f"{where}.content.{place}", block.get("type")
        if kind == "tool_result":
            result = _text(block.get("content") or "", f"{at}.content")
            result = f"Error: {result}" if block.get("is_error") else result
            yield {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": result}
        elif kind == "tool_use":
            arguments = json.dumps(block.get("input") or {}, ensure_ascii=False)
            calls.append(called(block.get("name"), block.get("id"), arguments))
        elif kind not in ("thinking", "redacted_thinking"):
            parts.append(_part(block, at))
    if calls:
        yield {"role": role, "content": joined(parts) or None, "tool_calls": calls}
    elif parts or not blocks:
        yield {"role": role, "content": joined(parts)}


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
    kind = choice and choice.get("type")
    if choice is None or kind in _CHOICES:
        return _CHOICES.get(str(kind))
    if kind == "tool":
        return {"type": "function", "function": {"name": choice.get("name")}}
    raise refused(f"tool_choice.type: {str(kind)[:100]!r} is none of auto, any, tool, none", "tool_choice")


def _format(form: object) -> dict[str, Any] | None:
    if not isinstance(form, Mapping) or form.get("type") != "json_schema":
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": form.get("schema") or {}}}
