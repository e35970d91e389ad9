"""Items of the Responses API as messages of chat completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfagg.server.errors import refused


def messages_of(given: str | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a conversation.

    Reasoning items are left out: most models' templates show no reasoning of earlier turns, and some servers refuse it.

    Args:
        given: The question, or items in their order.

    Raises:
        APIError: An item has no place in a conversation.
    """
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    messages: list[dict[str, Any]] = []
    for place, item in enumerate(given):
        where, kind = f"input.{place}", item.get("type", "message")
        if kind == "message":
            messages.append(_message(item, where))
        elif kind == "function_call":
            _add_call(messages, item)
        elif kind == "function_call_output":
            content = _content(item.get("output"), f"{where}.output")
            messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": content})
        elif kind != "reasoning":
            raise refused(f"{where}: items of type {str(kind)[:100]!r} are not taken here", where)
    if not messages:
        raise refused("input: there is no message in it", "input", "missing_field")
    return messages


def _message(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    role = item.get("role")
    if role not in ("user", "assistant", "system", "developer"):
        raise refused(f"{where}.role: {str(role)[:100]!r} is no role of a message", f"{where}.role")
    return {"role": role, "content": _content(item.get("content"), f"{where}.content")}


def _add_call(messages: list[dict[str, Any]], item: Mapping[str, Any]) -> None:
    """Add a call to the assistant's turn before it, as chat completions has calls of one turn together."""
    function = {"name": item.get("name"), "arguments": item.get("arguments") or "{}"}
    call = {"id": item.get("call_id"), "type": "function", "function": function}
    if messages and messages[-1]["role"] == "assistant":
        messages[-1].setdefault("tool_calls", []).append(call)
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})


def _content(content: object, where: str) -> Any:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list) or not all(isinstance(part, Mapping) for part in content):
        raise refused(f"{where}: it is text, or a list of parts", where)
    parts = [_part(part, f"{where}.{place}") for place, part in enumerate(content)]
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def _part(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text", "refusal"):
        return {"type": "text", "text": str(part.get("text") or part.get("refusal") or "")}
    if kind == "input_image" and part.get("image_url"):
        detail = {"detail": part["detail"]} if part.get("detail") else {}
        return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}
    if kind == "input_file" and part.get("file_data"):
        return {"type": "file", "file": {name: part[name] for name in ("file_data", "filename") if name in part}}
    if kind == "input_audio":
        return {"type": "input_audio", "input_audio": part.get("input_audio")}
    if kind in ("input_image", "input_file"):
        raise refused(f"{where}: this server keeps no files: send the data itself", where)
    raise refused(f"{where}: parts of type {str(kind)[:100]!r} are not taken here", where)
