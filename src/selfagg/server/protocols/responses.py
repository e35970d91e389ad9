"""Responses (OpenAI): items in, items out, typed events with numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
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
from selfagg.server.errors import APIError, refused, sse
from selfagg.server.fields import Form, read
from selfagg.server.protocols import KEEP_ALIVE, Api, called, comment, joined, parts_of, role_of

_READ: Final = (
    *("input", "instructions", "max_output_tokens", "text", "reasoning", "tools", "tool_choice", "n"),
    *("metadata", "background", "store", "previous_response_id", "include", "truncation", "stream_options"),
    *("conversation", "prompt"),
)
_REFUSED: Final = {
    "conversation": "conversations are kept by OpenAI's servers alone: use previous_response_id, or send the input",
    "prompt": "prompt templates are kept by OpenAI's servers alone: send instructions and input",
}
_CODES: Final = {429: "rate_limit_exceeded", 400: "invalid_prompt"}
_ECHOED: Final[Mapping[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Fields of a request that its response repeats, with their defaults."""

_PARTS: Final = {
    "summary_text": ("reasoning", "summary", "reasoning_summary_text", "reasoning_summary_part"),
    "reasoning_text": ("reasoning", "content", "reasoning_text", None),
    "output_text": ("message", "content", "output_text", "content_part"),
    "refusal": ("message", "content", "refusal", "content_part"),
}
"""Of each kind of part: its item, the field of the item that holds it, the names of its events and of those around."""


class ResponsesRequest(Form):
    """A request of the Responses API, and ``rsa``."""

    input: str | list[dict[str, Any]] = Field("", description="A question, or the items of a conversation.")
    instructions: str | None = None
    background: bool | None = Field(None, description="Answer at once, and work on whether the client stays or not.")
    store: bool | None = Field(None, description="Whether the answer is kept, where the server has a record.")
    previous_response_id: str | None = None
    max_output_tokens: int | None = Field(None, ge=1, description="Most tokens of one generation, not of all.")
    metadata: dict[str, str] | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    include: list[str] | None = None


class ResponsesApi(Api):
    """``POST /v1/responses``."""

    route = "responses"
    prefix = "resp_"
    names: ClassVar[Mapping[str, str]] = {
        "messages": "input",
        "max_completion_tokens": "max_output_tokens",
        "response_format": "text.format",
        "reasoning_effort": "reasoning.effort",
    }
    form = ResponsesRequest

    def __init__(self, body: Mapping[str, Any], digest: str | None = None) -> None:
        super().__init__(body, digest)
        self.response = {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": "in_progress",
            "background": bool(body.get("background")),
            "error": None,
            "incomplete_details": None,
            "model": self.model,
            "output": [],
            **{field: value if body.get(field) is None else body[field] for field, value in _ECHOED.items()},
            "store": bool(body.get("store")),
            "usage": None,
        }
        self._events = ResponseEvents(self.response)

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        request = read(ResponsesRequest, body)
        for name, why in _REFUSED.items():
            if body.get(name):
                raise refused(f"{name}: {why}", name, "unsupported_parameter")
        system = [{"role": "system", "content": request.instructions}] if request.instructions else []
        text, tools = request.text or {}, request.tools or []
        wanted = {
            "messages": [*system, *_messages(request.input)],
            "max_completion_tokens": request.max_output_tokens,
            "response_format": _format(text.get("format")),
            "verbosity": text.get("verbosity"),
            "reasoning_effort": (request.reasoning or {}).get("effort"),
            "logprobs": "message.output_text.logprobs" in (request.include or ()),
            "tools": [_function(tool) for tool in tools if tool.get("type") == "function"],
            "tool_choice": _tool_choice(request.tool_choice) if tools else None,
        }
        chat = {name: value for name, value in body.items() if name not in _READ}
        chat |= {name: value for name, value in wanted.items() if value}
        if not chat.get("tools"):
            chat.pop("parallel_tool_calls", None)
        hosted = sorted({str(tool.get("type")) for tool in tools if tool.get("type") != "function"})
        return [chat | {f"tools ({kind})": True for kind in hosted}]  # told to the client as ignored

    def whole(self, results: Sequence[DeliberationResult]) -> dict[str, Any]:
        (result,) = results
        reply = result.replies[0]
        for event in (whole_piece(0, reply), Ended(0, finish_reason(reply)), result):
            self._events.of(event)
        return self.response

    def begin(self) -> bytes:
        return b"".join(map(sse, self._events.begin("created", "in_progress")))

    def write(self, event: Event) -> bytes:
        if event is None:
            return KEEP_ALIVE
        if isinstance(event, MemberDone) and self.shows in ("none", "comments"):
            return b"" if self.shows == "none" else comment(event.line)
        return b"".join(map(sse, self._events.of(event)))

    def failed(self, error: APIError) -> bytes:
        return b"".join(map(sse, self._events.fail(error)))


class ResponseEvents:
    """A converter of a deliberation's events to those of the API; it keeps the response object up to date.

    It goes on after events that were ``told`` before.
    """

    def __init__(self, response: dict[str, Any], told: Sequence[Mapping[str, Any]] = ()) -> None:
        self.response = response
        self._number, self.members = len(told), 0  # members that were told of
        self._item: dict[str, Any] = {}  # that is being written, if any is
        self._call: object = None  # which call it is
        self._finish = "stop"
        for event in told:
            if event["type"] == "response.output_item.added":
                self._item = dict(event["item"])
            elif event["type"] == "response.reasoning_summary_text.delta":
                self.members += 1
                summary = self._item["summary"] or [{"type": "summary_text", "text": ""}]
                self._item["summary"] = [summary[0] | {"text": summary[0]["text"] + event["delta"]}]

    def begin(self, *steps: str) -> list[dict[str, Any]]:
        """Return the events of these steps: ``created``, ``queued``, ``in_progress``."""
        return [self._event(step, response=self.response) for step in steps]

    def of(self, event: Event) -> list[dict[str, Any]]:
        """Return the API's events for one of ours."""
        match event:
            case MemberDone() if not event.late:
                return self._write("summary_text", f"{event.line}\n")
            case Piece():
                return self._piece(event)
            case Ended():
                self._finish = event.finish
            case DeliberationResult():
                return self._done(event)
        return []

    def fail(self, error: APIError) -> list[dict[str, Any]]:
        """End the response with an error."""
        code = _CODES.get(error.status_code, "server_error")
        self.response |= {"status": "failed", "error": {"code": code, "message": error.message}}
        return self.begin("failed")

    def cancel(self) -> list[dict[str, Any]]:
        """End the response because the client asked for it."""
        self.response["status"] = "cancelled"
        return self.begin("incomplete")

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._number += 1
        return {"type": f"response.{kind}", "sequence_number": self._number - 1, **deepcopy(fields)}

    def _about(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return an event about the item that is being written."""
        return self._event(kind, item_id=self._item["id"], output_index=len(self.response["output"]), **fields)

    def _piece(self, piece: Piece) -> list[dict[str, Any]]:
        found = self._write("reasoning_text", piece.reasoning) if piece.reasoning else []
        if refusal := piece.fields.get("refusal"):
            found += self._write("refusal", str(refusal))
        elif piece.text:
            found += self._write("output_text", piece.text, [*((piece.logprobs or {}).get("content") or ())])
        for call in piece.fields.get("tool_calls") or ():
            function, mark = call.get("function") or {}, call.get("index", 0)
            call_id = call.get("id") or f"call_{self.response['id'][-16:]}{mark}"
            name = str(function.get("name") or "")
            found += self._open("function_call", mark, call_id=call_id, name=name, arguments="")
            if written := function.get("arguments"):
                self._item["arguments"] += written
                found.append(self._about("function_call_arguments.delta", delta=written))
        return found

    def _open(self, kind: str, call: object = None, **fields: Any) -> list[dict[str, Any]]:
        """Begin an item of this kind, unless it is the one that is being written."""
        if (self._item.get("type"), self._call) == (kind, call):
            return []
        closed, index = self._close(), len(self.response["output"])
        prefix = {"reasoning": "rs", "message": "msg", "function_call": "fc"}[kind]
        name = f"{prefix}_{self.response['id'].removeprefix('resp_')}{index}"
        self._item, self._call = {"id": name, "type": kind, **fields, "status": "in_progress"}, call
        return [*closed, self._event("output_item.added", output_index=index, item=self._item)]

    def _write(self, kind: str, text: str, logprobs: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Write into a part of this kind, of an item that has such parts.

        The progress is a reasoning item's summary, and the model's own reasoning its content.
        """
        of, field, name, around = _PARTS[kind]
        found = self._open(of, **({"summary": []} if of == "reasoning" else {"role": "assistant", "content": []}))
        parts, words = self._item.setdefault(field, []), "refusal" if kind == "refusal" else "text"
        index = f"{field}_index"
        if not parts or parts[-1]["type"] != kind:
            parts.append({"type": kind, words: ""})
            if kind == "output_text":
                parts[-1] |= {"annotations": [], "logprobs": []}
            if around:
                found.append(self._about(f"{around}.added", **{index: len(parts) - 1}, part=parts[-1]))
        part, more = parts[-1], {}
        part[words] += text
        if kind == "output_text":
            part["logprobs"] += logprobs
            more = {"logprobs": logprobs}
        return [*found, self._about(f"{name}.delta", **{index: len(parts) - 1}, delta=text, **more)]

    def _close(self) -> list[dict[str, Any]]:
        """End the item that is being written."""
        found: list[dict[str, Any]] = []
        if not (item := self._item):
            return found
        for field in ("summary", "content"):
            for place, part in enumerate(item.get(field, ())):
                _, _, name, around = _PARTS[part["type"]]
                at = {f"{field}_index": place}
                written = {key: part[key] for key in ("text", "refusal", "logprobs") if key in part}
                found.append(self._about(f"{name}.done", **at, **written))
                if around:
                    found.append(self._about(f"{around}.done", **at, part=part))
        if item["type"] == "function_call":
            told = {"arguments": item["arguments"], "name": item["name"]}
            found.append(self._about("function_call_arguments.done", **told))
        item["status"] = "completed" if self._finish != "length" else "incomplete"
        found.append(self._event("output_item.done", output_index=len(self.response["output"]), item=item))
        self.response["output"].append(item)
        self._item = {}
        return found

    def _done(self, result: DeliberationResult) -> list[dict[str, Any]]:
        written = [*self.response["output"], self._item]
        said = any(item.get("type", "reasoning") != "reasoning" for item in written)
        found = [*([] if said else self._write("output_text", "")), *self._close()]
        reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(self._finish)
        self.response["status"] = "incomplete" if reason else "completed"
        self.response["incomplete_details"] = {"reason": reason} if reason else None
        self.response["usage"] = _usage(result)
        return [*found, *self.begin(self.response["status"])]


def _usage(result: DeliberationResult) -> dict[str, Any]:
    own, spent = result.own, result.spent
    cached = {"cached_tokens": own.cached, "cache_write_tokens": 0}
    return {
        "input_tokens": own.prompt,
        "input_tokens_details": {**cached, "deliberation_tokens": spent.prompt},
        "output_tokens": own.completion,
        "output_tokens_details": {"reasoning_tokens": own.reasoning, "deliberation_tokens": spent.completion},
        "total_tokens": own.total,
        "selfagg": result.account,
    }


# -- items, tools and formats in the words of chat completions


def _messages(given: str | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a conversation.

    Reasoning items are left out: most models' templates show no reasoning of earlier turns, and some servers refuse it.
    """
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    messages: list[dict[str, Any]] = []
    for place, item in enumerate(given):
        where, kind = f"input.{place}", item.get("type", "message")
        if kind == "message":
            role = role_of(item, ("user", "assistant", "system", "developer"), where)
            messages.append({"role": role, "content": _content(item.get("content"), f"{where}.content")})
        elif kind == "function_call":
            call = called(item.get("name"), item.get("call_id"), item.get("arguments") or "{}")
            if not messages or messages[-1]["role"] != "assistant":  # calls of one turn stand together
                messages.append({"role": "assistant", "content": None})
            messages[-1].setdefault("tool_calls", []).append(call)
        elif kind == "function_call_output":
            content = _content(item.get("output"), f"{where}.output")
            messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": content})
        elif kind != "reasoning":
            raise refused(f"{where}: items of type {str(kind)[:100]!r} are not taken here", where)
    if not messages:
        raise refused("input: there is no message in it", "input", "missing_field")
    return messages


def _content(content: object, where: str) -> Any:
    if content is None or isinstance(content, str):
        return content or ""
    parts = parts_of(content, where, "parts")
    return joined([_part(part, f"{where}.{place}") for place, part in enumerate(parts)])


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


def _format(form: object) -> dict[str, Any] | None:
    if not isinstance(form, Mapping) or form.get("type") in (None, "text"):
        return None
    if form["type"] != "json_schema":
        return dict(form)
    return {"type": "json_schema", "json_schema": {name: value for name, value in form.items() if name != "type"}}


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = {name: value for name, value in tool.items() if name != "type" and value is not None}
    return {"type": "function", "function": function}


def _tool_choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    if not isinstance(choice, dict):
        return choice
    if choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    if choice.get("type") == "allowed_tools":
        tools = [{"type": "function", "function": {"name": tool.get("name")}} for tool in choice.get("tools") or ()]
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.get("mode", "auto"), "tools": tools}}
    raise refused(f"tool_choice: this server has no tool of type {choice.get('type')!r}", "tool_choice")
