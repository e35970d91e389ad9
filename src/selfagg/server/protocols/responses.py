"""Responses (OpenAI): items in, items out, typed events with numbers."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from selfagg.server.answers import account, finish_reason
from selfagg.server.deliberation import DeliberationResult
from selfagg.server.errors import APIError, refused
from selfagg.server.events import Ended, Event, Piece, Progress, whole_piece
from selfagg.server.protocols.base import Api, Head, Writer, named
from selfagg.server.protocols.items import messages_of
from selfagg.server.schemas import RsaOptions, read
from selfagg.types import Reply, Usage

_SAME: Final = (
    *("model", "rsa", "stream", "seed", "temperature", "top_p", "top_k", "min_p", "top_logprobs", "user", "stop"),
    *("safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier", "parallel_tool_calls"),
    *("frequency_penalty", "presence_penalty", "logit_bias", "chat_template_kwargs", "repetition_penalty"),
)
"""Fields that mean the same in chat completions."""

_READ: Final = ("input", "instructions", "max_output_tokens", "text", "reasoning", "tools", "tool_choice")
_ECHOED: Final = ("metadata", "background", "store", "previous_response_id", "include", "truncation", "stream_options")
_REFUSED: Final = {
    "conversation": "conversations are kept by OpenAI's servers alone: use previous_response_id, or send the input",
    "prompt": "prompt templates are kept by OpenAI's servers alone: send instructions and input",
}
_CODES: Final = {429: "rate_limit_exceeded", 400: "invalid_prompt"}


class ResponsesRequest(BaseModel):
    """A request of the Responses API, and ``rsa``."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str
    input: str | list[dict[str, Any]] = Field("", description="A question, or the items of a conversation.")
    instructions: str | None = None
    rsa: bool | RsaOptions | None = None
    stream: bool | None = None
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
    temperature: float | None = Field(None, ge=0, le=100)
    top_p: float | None = Field(None, ge=0, le=1)


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

    def head(self, body: Mapping[str, Any]) -> Head:
        return Head(f"{self.prefix}{secrets.token_hex(24)}", body)

    def read(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        request = read(ResponsesRequest, body)
        for name, why in _REFUSED.items():
            if body.get(name):
                raise refused(f"{name}: {why}", name, "unsupported_parameter")
        read_elsewhere = (*_SAME, *_READ, *_ECHOED, *_REFUSED)
        chat = {name: value for name, value in body.items() if name not in (*read_elsewhere, "n")}
        chat |= {name: body[name] for name in _SAME if body.get(name) is not None}
        system = [{"role": "system", "content": request.instructions}] if request.instructions else []
        chat["messages"] = [*system, *messages_of(request.input)]
        wanted = {
            "max_completion_tokens": request.max_output_tokens,
            "response_format": _format((request.text or {}).get("format")),
            "verbosity": (request.text or {}).get("verbosity"),
            "reasoning_effort": (request.reasoning or {}).get("effort"),
            "logprobs": True if "message.output_text.logprobs" in (request.include or ()) else None,
            "tools": [_tool(tool) for tool in request.tools or () if tool.get("type") == "function"],
            "tool_choice": _tool_choice(request.tool_choice) if request.tools else None,
        }
        hosted = sorted({str(tool.get("type")) for tool in request.tools or () if tool.get("type") != "function"})
        chat |= {name: value for name, value in wanted.items() if value}
        if not chat.get("tools"):
            chat.pop("parallel_tool_calls", None)
        return [chat | {f"tools ({kind})": True for kind in hosted}]  # told to the client as ignored

    def whole(self, head: Head, outcomes: Sequence[DeliberationResult]) -> dict[str, Any]:
        (outcome,) = outcomes
        told = ResponseEvents(response_of(head))
        reply = outcome.members[0].reply or Reply("")
        for event in (whole_piece(0, reply), Ended(0, finish_reason(reply)), outcome):
            list(told.events(event))
        return told.response

    def writer(self, head: Head) -> Writer:
        return _Stream(head)


def _format(form: object) -> dict[str, Any] | None:
    """Return ``text.format`` as chat completions has it."""
    if not isinstance(form, Mapping) or form.get("type") in (None, "text"):
        return None
    if form["type"] != "json_schema":
        return dict(form)
    return {"type": "json_schema", "json_schema": {name: value for name, value in form.items() if name != "type"}}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
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


def response_of(head: Head) -> dict[str, Any]:
    """Return the response object of a request before there is an answer."""
    body = head.body
    defaults: dict[str, Any] = {
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
    return {
        "id": head.id,
        "object": "response",
        "created_at": head.created,
        "status": "in_progress",
        "background": bool(body.get("background")),
        "error": None,
        "incomplete_details": None,
        "model": head.model,
        "output": [],
        **{name: value if body.get(name) is None else body[name] for name, value in defaults.items()},
        "store": bool(body.get("store")),
        "usage": None,
    }


def _usage(outcome: DeliberationResult) -> dict[str, Any]:
    own: Usage = outcome.own
    return {
        "input_tokens": own.prompt,
        "input_tokens_details": {
            "cached_tokens": own.cached,
            "cache_write_tokens": 0,
            "deliberation_tokens": outcome.spent.prompt,
        },
        "output_tokens": own.completion,
        "output_tokens_details": {
            "reasoning_tokens": own.reasoning,
            "deliberation_tokens": outcome.spent.completion,
        },
        "total_tokens": own.total,
        "selfagg": account(outcome),
    }


class ResponseEvents:
    """A converter of a deliberation's events to those of the API; it keeps the response object up to date.

    Args:
        response: The response object as it is now.
        told: Events that were told before: the object goes on after them.

    Attributes:
        response: The response object.
        number: The next event's number.
    """

    def __init__(self, response: dict[str, Any], told: Sequence[Mapping[str, Any]] = ()) -> None:
        self.response = response
        self.number = len(told)
        self._item: dict[str, Any] | None = None  # that is being written
        self._finish = "stop"
        for event in told:
            if event["type"] == "response.output_item.added":
                self._item = dict(event["item"])
            elif event["type"] == "response.reasoning_summary_text.delta" and self._item:
                self._item.setdefault("summary", [])
                self._item["summary"] = _longer(self._item["summary"], "summary_text", event["delta"])

    def begin(self, *steps: str) -> list[dict[str, Any]]:
        """Return the events of these steps: ``created``, ``queued``, ``in_progress``."""
        return [self._event(f"response.{step}", response=dict(self.response)) for step in steps]

    def events(self, event: Event) -> Iterable[dict[str, Any]]:
        """Return the API's events for one of ours."""
        if isinstance(event, Progress):
            return [] if event.late else self._reason("summary", f"{event.line}\n")
        if isinstance(event, Piece):
            return self._piece(event)
        if isinstance(event, Ended):
            self._finish = event.finish
            return []
        return self._done(event) if event else []

    def fail(self, error: APIError) -> list[dict[str, Any]]:
        """End the response with an error."""
        self.response["status"] = "failed"
        code = _CODES.get(error.status_code, "server_error")
        self.response["error"] = {"code": code, "message": error.message}
        return [self._event("response.failed", response=self.response)]

    def cancel(self) -> list[dict[str, Any]]:
        """End the response because the client asked for it."""
        self.response["status"] = "cancelled"
        return [self._event("response.incomplete", response=self.response)]

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.number += 1
        return {"type": kind, "sequence_number": self.number - 1, **fields}

    def _piece(self, piece: Piece) -> list[dict[str, Any]]:
        found = self._reason("content", piece.reasoning) if piece.reasoning else []
        fields = piece.fields or {}
        if refusal := fields.get("refusal"):
            found += self._text("refusal", str(refusal), None)
        elif piece.text:
            found += self._text("output_text", piece.text, piece.logprobs)
        for call in fields.get("tool_calls") or ():
            found += self._call(call)
        return found

    # -- items

    def _open(self, kind: str, mark: object = None, **fields: Any) -> list[dict[str, Any]]:
        """Begin an item of this kind, unless it is the one that is being written."""
        if self._item and (self._item["type"], self._item.get("mark")) == (kind, mark):
            return []
        closed = self._close()
        prefix = {"reasoning": "rs", "message": "msg", "function_call": "fc"}[kind]
        name = f"{prefix}_{self.response['id'].removeprefix('resp_')}{len(self.response['output'])}"
        self._item = {"id": name, "type": kind, **fields, "status": "in_progress"}
        added = self._event("response.output_item.added", output_index=self._index, item=dict(self._item))
        self._item["mark"] = mark
        return [*closed, added]

    @property
    def _index(self) -> int:
        return len(self.response["output"])

    def _about(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return an event about the item that is being written."""
        assert self._item  # noqa: S101 - an item is open whenever this is called
        return self._event(kind, item_id=self._item["id"], output_index=self._index, **fields)

    def _reason(self, place: str, text: str) -> list[dict[str, Any]]:
        """Write the progress into a reasoning item's summary, and the model's own reasoning into its content."""
        found = self._open("reasoning", summary=[])
        assert self._item  # noqa: S101
        fresh = not self._item.get(place)
        kind = "summary_text" if place == "summary" else "reasoning_text"
        self._item[place] = _longer(self._item.get(place) or [], kind, text)
        if place == "content":
            return [*found, self._about("response.reasoning_text.delta", content_index=0, delta=text)]
        if fresh:
            part = {"type": kind, "text": ""}
            found.append(self._about("response.reasoning_summary_part.added", summary_index=0, part=part))
        return [*found, self._about("response.reasoning_summary_text.delta", summary_index=0, delta=text)]

    def _text(self, kind: str, text: str, logprobs: Any) -> list[dict[str, Any]]:
        found = self._open("message", role="assistant", content=[])
        assert self._item  # noqa: S101
        part: dict[str, Any] = {"type": kind, **_part(kind, "")}
        if not self._item["content"]:
            self._item["content"] = [part]
            found.append(self._about("response.content_part.added", content_index=0, part=dict(part)))
        part = self._item["content"][0]
        chances = list((logprobs or {}).get("content") or ())
        if kind == "refusal":
            part["refusal"] = part.get("refusal", "") + text
            return [*found, self._about("response.refusal.delta", content_index=0, delta=text)]
        part["text"] = part.get("text", "") + text
        part["logprobs"] = [*part.get("logprobs", ()), *chances]
        return [*found, self._about("response.output_text.delta", content_index=0, delta=text, logprobs=chances)]

    def _call(self, call: Mapping[str, Any]) -> list[dict[str, Any]]:
        function = call.get("function") or {}
        mark = call.get("index", 0)
        call_id = call.get("id") or f"call_{self.response['id'][-16:]}{mark}"
        name = str(function.get("name") or "")
        found = self._open("function_call", mark, call_id=call_id, name=name, arguments="")
        assert self._item  # noqa: S101
        if written := function.get("arguments"):
            self._item["arguments"] += written
            found.append(self._about("response.function_call_arguments.delta", delta=written))
        return found

    def _close(self) -> list[dict[str, Any]]:
        """End the item that is being written."""
        if self._item is None:
            return []
        item = self._item
        item.pop("mark", None)
        found: list[dict[str, Any]] = []
        if item["type"] == "reasoning":
            for part in item["summary"]:
                text = part["text"]
                found.append(self._about("response.reasoning_summary_text.done", summary_index=0, text=text))
                found.append(self._about("response.reasoning_summary_part.done", summary_index=0, part=part))
            written = [part["text"] for part in item.get("content") or ()]
            found += [self._about("response.reasoning_text.done", content_index=0, text=text) for text in written]
        elif item["type"] == "message":
            for part in item["content"]:
                found.append(self._part_done(part))
                found.append(self._about("response.content_part.done", content_index=0, part=part))
        else:
            told = {"arguments": item["arguments"], "name": item["name"]}
            found.append(self._about("response.function_call_arguments.done", **told))
        item["status"] = "completed" if self._finish != "length" else "incomplete"
        found.append(self._event("response.output_item.done", output_index=self._index, item=item))
        self.response["output"].append(item)
        self._item = None
        return found

    def _part_done(self, part: Mapping[str, Any]) -> dict[str, Any]:
        if part["type"] == "refusal":
            return self._about("response.refusal.done", content_index=0, refusal=part["refusal"])
        told = {"text": part["text"], "logprobs": part["logprobs"]}
        return self._about("response.output_text.done", content_index=0, **told)

    def _done(self, outcome: DeliberationResult) -> list[dict[str, Any]]:
        written = [*self.response["output"], *([self._item] if self._item else [])]
        found = [] if any(item["type"] != "reasoning" for item in written) else self._text("output_text", "", None)
        found += self._close()
        reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(self._finish)
        self.response["status"] = "incomplete" if reason else "completed"
        self.response["incomplete_details"] = {"reason": reason} if reason else None
        self.response["usage"] = _usage(outcome)
        return [*found, self._event(f"response.{self.response['status']}", response=self.response)]


def _longer(parts: Sequence[Mapping[str, Any]], kind: str, text: str) -> list[dict[str, Any]]:
    """Return the one part of a reasoning item with more text."""
    return [{"type": kind, "text": "".join(part["text"] for part in parts) + text}]


def _part(kind: str, text: str) -> dict[str, Any]:
    return {"refusal": text} if kind == "refusal" else {"text": text, "annotations": [], "logprobs": []}


class _Stream(Writer):
    """The events as a stream."""

    def __init__(self, head: Head) -> None:
        super().__init__(head)
        self.told = ResponseEvents(response_of(head))

    @property
    def answer(self) -> Mapping[str, Any]:
        return self.told.response

    def begin(self) -> list[bytes]:
        return [named(event) for event in self.told.begin("created", "in_progress")]

    def progress(self, event: Progress) -> list[bytes]:
        if self.head.progress == "none":
            return []
        if self.head.progress == "comments":
            return [f": {event.line}\n\n".encode()]
        return self._named(event)

    def piece(self, event: Piece) -> list[bytes]:
        return self._named(event)

    def ended(self, event: Ended) -> list[bytes]:
        return self._named(event)

    def done(self, outcome: DeliberationResult) -> list[bytes]:
        return self._named(outcome)

    def failed(self, error: APIError) -> list[bytes]:
        return [named(event) for event in self.told.fail(error)]

    def _named(self, event: Event) -> list[bytes]:
        return [named(one) for one in self.told.events(event)]
