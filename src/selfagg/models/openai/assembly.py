"""A reply that arrives in pieces: what to hand on at once, and the whole at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from selfagg.models.openai.sse import DONE
from selfagg.models.openai.wire import mapping, parts, read_reply, thoughts, without_reply
from selfagg.models.reasoning import Thinking
from selfagg.models.retries import TransientError
from selfagg.types import Delta, Reply

__all__ = ["Delta", "ReplyAssembly", "Thinking", "Unfinished"]


class Unfinished(TransientError):
    """A stream that ended well without having said that the reply is whole."""


class ReplyAssembly:
    """An assembly of the events of one streamed chat completion; a whole answer instead of a stream will do.

    Args:
        verbatim: True if deltas and reply hold the events' choices as they came.
    """

    def __init__(self, *, verbatim: bool = False) -> None:
        self._verbatim = verbatim
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._logprobs: list[Any] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish: str | None = None
        self._done = False
        self._usage: object = None
        self._other: object = None
        self._thinking = Thinking()

    @property
    def whole(self) -> bool:
        """Return True if the reply has come to its end."""
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
        self._usage = (
            data.get("usage") or choice.get("usage") or mapping(data.get("x_groq")).get("usage") or self._usage
        )
        if not choice:
            self._other = self._other or event
            return {}, "", ""
        self._finish = choice.get("finish_reason") or self._finish
        tokens = mapping(choice.get("logprobs")).get("content")
        if isinstance(tokens, list):
            self._logprobs.extend(tokens)
        if not choice.get("delta") and isinstance(choice.get("message"), Mapping):
            self._done = True
            if not (self._content or self._reasoning):  # the server did not stream; others sum up at the end
                choice = {**choice, "delta": choice["message"]}
        return choice, *self._read(mapping(choice.get("delta")) or {"content": choice.get("text")})

    def _read(self, message: Mapping[str, Any]) -> tuple[str, str]:
        if self._verbatim:
            self._take_calls(message.get("tool_calls"))
        content, thinking = parts(message.get("content") or message.get("refusal"))
        reasoning = thoughts(message) or thinking
        if reasoning:
            self._reasoning.append(reasoning)
        if content:
            self._content.append(content)
        return reasoning, content

    def rest(self) -> Iterator[Delta]:
        """Yield text held back as the possible beginning of a tag that turned out to be none, now that all has come."""
        return self._thinking.rest()

    def reply(self, *, seconds: float) -> Reply:
        """Return the whole reply.

        Raises:
            Refusal: The server said in a form of its own why there is none.
            TransientError: The stream ended before the reply did.
        """
        written = self._content or self._reasoning or self._calls
        if not written and not self._finish:
            raise without_reply(self._other)
        if not self.whole:
            raise Unfinished("the stream ended before the reply did")
        message: dict[str, Any] = {"content": "".join(self._content), "reasoning": "".join(self._reasoning)}
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
