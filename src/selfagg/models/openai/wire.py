"""The chat completions format: a server's answer, whole or in server-sent events, as a reply of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from selfagg.models.openai.refusal import refusal
from selfagg.models.pace import TransientError
from selfagg.models.reasoning import Thinking, split_reasoning
from selfagg.types import Delta, Reply, Stop, Usage

_FINISHED = (
    "stop eos eos_token end_turn stop_sequence tool_calls tool_use function_call complete completed finished done end"
)
_LENGTH = (
    "length max_tokens model_length max_output_tokens max_length token_limit context_length "
    "model_context_window_exceeded"
)
_FILTERED = (
    "content_filter content-filter content_filtered safety sensitive recitation prohibited_content blocklist spii "
    "refusal guardrail_intervened guardrails language moderation blocked image_safety"
)
_STOPS: Final[Mapping[str, Stop]] = {
    word: stop
    for stop, words in ((Stop.FINISHED, _FINISHED), (Stop.LENGTH, _LENGTH), (Stop.FILTERED, _FILTERED))
    for word in words.split()
}
"""Finish reasons of every dialect, in small letters; an unknown one is `Stop.UNKNOWN`."""
_BROKEN: Final = (
    "abort aborted error insufficient_system_resource network_error cancelled canceled timeout failed "
    "malformed_function_call server_error internal_error overloaded other_error"
)
"""Finish reasons of a server that gave up within the reply: not an end that the model chose."""
_MOST = 2**53
"""The largest count and log-probability that is accepted; JSON's numbers may be of any size."""


def read_reply(answer: object, *, seconds: float, verbatim: bool = False) -> Reply:
    """Read the reply out of a server's answer.

    Raises:
        Refusal: The answer says in a form of its own why there is no reply.
        TransientError: The answer holds no reply, or one that the server broke off.
    """
    data = mapping(answer)
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise _without_reply(answer)
    choice = choices[0]
    finish = choice.get("finish_reason")
    if str(finish).lower() in _BROKEN.split():
        raise TransientError(f"the server broke the reply off ({finish})")
    message = mapping(choice.get("message")) or {"content": choice.get("text")}
    text, reasoning = _parts(message)
    if not reasoning:
        reasoning, text = split_reasoning(text)
    stop = Stop.FINISHED if not finish else _STOPS.get(str(finish).lower(), Stop.UNKNOWN)
    if stop is Stop.UNKNOWN and not (text or reasoning or message.get("tool_calls")):
        raise TransientError(f"the server sent an empty reply ({finish})")
    usage = read_usage(data.get("usage") or choice.get("usage"), text or reasoning)
    tokens, logprobs = mapping(choice.get("logprobs")).get("content"), None
    if isinstance(tokens, list):
        found = [mapping(token).get("logprob") for token in tokens]
        logprobs = tuple(float(one) for one in found if isinstance(one, int | float) and -_MOST <= one <= _MOST)
    return Reply(text, reasoning, stop, usage, logprobs, seconds=seconds, choice=choice if verbatim else None)


def _without_reply(answer: object) -> Exception:
    found = refusal(502, answer)
    return found if found.message else TransientError("the server sent an answer without a reply in it")


def _parts(message: Mapping[str, Any]) -> tuple[str, str]:
    """Return text and reasoning of a message: its content is null, a string, or typed parts."""
    content = message.get("content") or message.get("refusal")
    reasoning = plain(message.get("reasoning")) or plain(message.get("reasoning_content"))
    if isinstance(content, list) and not reasoning:
        parts = map(mapping, content)
        reasoning = "".join(_joined(part.get("thinking")) for part in parts if part.get("type") == "thinking")
    return _joined(content), reasoning


def _joined(content: object) -> str:
    """Return the text of a string, or of typed parts; parts within parts are nobody's, and to any depth."""
    if isinstance(content, list):
        return "".join(plain(mapping(part).get("text")) for part in content)
    return plain(content)


def plain(value: object) -> str:
    """Return a string that can be stored and sent again: a lone surrogate (legal in JSON alone) becomes U+FFFD."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_usage(value: object, written: str = "") -> Usage:
    """Return the tokens as a server counted them; a count of none at all beside a text that it wrote is unknown."""
    usage = mapping(value)
    prompt = _count(usage.get("prompt_tokens")) or _count(usage.get("input_tokens"))
    completion = _count(usage.get("completion_tokens")) or _count(usage.get("output_tokens"))
    if not prompt and completion:
        prompt = max(0, _count(usage.get("total_tokens")) - completion)
    if not (prompt or completion or (not written and "completion_tokens" in usage)):
        return Usage(unknown=1)
    cached = _count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
    reasoning = _count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens"))
    return Usage(prompt, cached or _count(usage.get("prompt_cache_hit_tokens")), completion, reasoning)


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 < value <= _MOST else 0


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, Mapping) else {}


# -- streams

DONE = object()
"""The event of ``data: [DONE]``: the stream is whole."""


class EventReader:
    """A parser that turns chunks of server-sent events (html.spec.whatwg.org, 9.2.6) into JSON values, one an event.

    Comments, ``id:`` and ``retry:`` are passed over. A body of one JSON value gives that value at its end. A value
    a line, with or without ``data:``, is read too.
    """

    def __init__(self) -> None:
        self._held = bytearray()  # the line that is not finished, or a whole body that is no stream of events
        self._data: list[bytes] = []
        self._begun = self._plain = False

    @property
    def page(self) -> str:
        """Return the beginning of a body that is no stream of events."""
        return b"".join([*self._data, self._held])[:10_000].decode("utf-8", "replace")

    def feed(self, chunk: bytes) -> Iterator[object]:
        """Take a chunk; yield the values of the events that it ends.

        Raises:
            ValueError: An event holds no JSON.
        """
        last = self._held[-1:]
        self._held += chunk
        if not self._begun:
            start = self._held.removeprefix(b"\xef\xbb\xbf").lstrip()
            if not start or b"\xef\xbb\xbf".startswith(start):
                self._held = start  # white space and a byte order mark before the first line say nothing
                return
            self._held, self._begun, self._plain = start, True, start.startswith((b"{", b"[", b"<"))
        if self._plain or not (b"\n" in chunk or b"\r" in chunk or last == b"\r"):
            return
        lines = self._held.splitlines(keepends=True)
        self._held = bytearray() if lines[-1].endswith(b"\n") else lines.pop()  # to a CR there may come an LF
        yield from self._read(lines)

    def rest(self) -> Iterator[object]:
        """Yield the events that the end of the body completes; raise as `feed` does."""
        if self._plain:
            yield from _values(bytes(self._held))
        else:
            yield from self._read([*self._held.splitlines(), bytearray()])

    def _read(self, lines: list[bytearray]) -> Iterator[object]:
        for line in (bytes(line).rstrip(b"\r\n") for line in lines):
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif line[:1] == b"{":
                self._data.append(line)
            elif not line:
                data, self._data = b"\n".join(self._data), []
                if data.strip():
                    yield from _values(data)


def _values(data: bytes) -> Iterator[object]:
    """Yield the value of an event, or where a server left out the empty lines between events, one a line."""
    if data.strip() == b"[DONE]":
        yield DONE
        return
    try:
        yield json.loads(data.decode("utf-8", "replace"))
    except ValueError:
        lines = data.splitlines()
        if len(lines) < 2:
            raise
        for line in filter(bytes.strip, lines):
            yield from _values(line.removeprefix(b"data:"))


class Unfinished(TransientError):
    """A stream that ended well without having said that the reply is whole."""


class ReplyAssembly:
    """An assembly of the events of one chat completion, streamed or whole.

    Where it is verbatim, deltas and reply hold the events' choices as they came.
    """

    def __init__(self, *, verbatim: bool = False) -> None:
        self._verbatim = verbatim
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._logprobs: list[Any] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish: str | None = None
        self._done = False
        self._answer: Mapping[str, Any] = {}  # a whole one, instead of pieces
        self._usage: object = None
        self._other: object = None
        self._thinking = Thinking()

    @property
    def whole(self) -> bool:
        return self._done or bool(self._finish)

    def add(self, event: object) -> Iterator[Delta]:
        """Take an event; yield what a reader can be shown of it."""
        choice, reasoning, content = self.take(event)
        shown = [Delta(reasoning=reasoning)] if reasoning else []
        shown += self._thinking.feed(content) if content else ()
        if self._verbatim and choice:
            first, *rest = shown or [Delta()]
            shown = [replace(first, choice=choice), *rest]
        yield from shown

    def take(self, event: object) -> tuple[Mapping[str, Any], str, str]:
        """Take an event; return its choice, its piece of reasoning and its piece of content."""
        if event is DONE:
            self._done = True
            return {}, "", ""
        data = mapping(event)
        choices = data.get("choices")
        choice = mapping(choices[0]) if isinstance(choices, list) and choices else {}
        groq = mapping(data.get("x_groq"))
        self._usage = data.get("usage") or choice.get("usage") or groq.get("usage") or self._usage
        if not choice:
            self._other = self._other or event
            return {}, "", ""
        self._finish = choice.get("finish_reason") or self._finish
        tokens = mapping(choice.get("logprobs")).get("content")
        if isinstance(tokens, list):
            self._logprobs.extend(tokens)
        if not choice.get("delta") and isinstance(choice.get("message"), Mapping):
            self._done = True
            if not (self._content or self._reasoning):  # a whole answer; others sum up a stream at its end
                self._answer, choice = data, {**choice, "delta": choice["message"]}
        message = mapping(choice.get("delta")) or {"content": choice.get("text")}
        content, reasoning = _parts(message)
        self._content += [content] if content else []
        self._reasoning += [reasoning] if reasoning else []
        if self._verbatim:
            self._take_calls(message.get("tool_calls"))
        return choice, reasoning, content

    def rest(self) -> Iterator[Delta]:
        """Yield text held back as the possible beginning of a tag that turned out to be none, now that all has come."""
        return self._thinking.rest()

    def reply(self, *, seconds: float) -> Reply:
        """Return the whole reply.

        Raises:
            Refusal: The server said in a form of its own why there is none.
            TransientError: The stream ended before the reply did.
        """
        if self._answer:
            return read_reply({**self._answer, "usage": self._usage}, seconds=seconds, verbatim=self._verbatim)
        content, reasoning = "".join(self._content), "".join(self._reasoning)
        if not (content or reasoning or self._calls or self._finish):
            raise _without_reply(self._other)
        if not self.whole:
            raise Unfinished("the stream ended before the reply did")
        message: dict[str, Any] = {"content": content, "reasoning": reasoning}
        if self._calls:
            message["tool_calls"] = [call for _, call in sorted(self._calls.items())]
        choice = {"message": message, "finish_reason": self._finish, "logprobs": {"content": self._logprobs or None}}
        return read_reply({"choices": [choice], "usage": self._usage}, seconds=seconds, verbatim=self._verbatim)

    def _take_calls(self, pieces: object) -> None:
        """Join the pieces of tool calls: each names its call by a number, and adds to the call's arguments."""
        for piece in map(mapping, pieces if isinstance(pieces, list) else []):
            index = piece.get("index")
            call = self._calls.setdefault(index if isinstance(index, int) else len(self._calls), {})
            function = dict(call.get("function", {}))
            for name, value in mapping(piece.get("function")).items():
                before = function.get(name, "")
                function[name] = before + value if isinstance(before, str) and isinstance(value, str) else value
            call |= {key: value for key, value in piece.items() if key not in ("index", "function") and value}
            call["function"] = function
