"""A reply that arrives in pieces: what to hand on at once, and the whole at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from selfagg.models.openai_wire import mapping, plain, read_reply, thoughts
from selfagg.models.reasoning import Thinking
from selfagg.models.retries import Passing
from selfagg.types import Delta, Reply

__all__ = ["Assembly", "Delta", "Thinking"]


class Assembly:
    """Puts the events of one streamed chat completion together.

    Args:
        verbatim: Whether deltas and reply hold the events' choices as they came.
    """

    def __init__(self, *, verbatim: bool = False) -> None:
        self._verbatim = verbatim
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._logprobs: list[Any] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish: str | None = None
        self._usage: object = None
        self._thinking = Thinking()

    def add(self, event: object) -> Iterator[Delta]:
        """Takes an event; yields what a reader can be shown of it."""
        data = mapping(event)
        self._usage = data.get("usage") or self._usage
        choices = data.get("choices")
        choice = mapping(choices[0]) if isinstance(choices, list) and choices else {}
        shown = list(self._read(choice))
        if self._verbatim and choice:
            first, *rest = shown or [Delta()]
            shown = [replace(first, choice=choice), *rest]
        yield from shown

    def _read(self, choice: Mapping[str, Any]) -> Iterator[Delta]:
        self._finish = choice.get("finish_reason") or self._finish
        tokens = mapping(choice.get("logprobs")).get("content")
        if isinstance(tokens, list):
            self._logprobs.extend(tokens)
        message = mapping(choice.get("delta"))
        if self._verbatim:
            self._take_calls(message.get("tool_calls"))
        reasoning, content = thoughts(message), plain(message.get("content"))
        if reasoning:
            self._reasoning.append(reasoning)
            yield Delta(reasoning=reasoning)
        if content:
            self._content.append(content)
            yield from self._thinking.feed(content)

    def rest(self) -> Iterator[Delta]:
        """What was held back as the possible beginning of a tag and is none, now that all has come."""
        return self._thinking.rest()

    def reply(self, *, seconds: float) -> Reply:
        """The whole reply.

        Raises:
            Passing: The stream ended before the reply did.
        """
        if self._finish is None:
            raise Passing("the stream ended before the reply did")
        message: dict[str, Any] = {"content": "".join(self._content), "reasoning": "".join(self._reasoning)}
        if self._calls:
            message["tool_calls"] = [call for _, call in sorted(self._calls.items())]
        choice = {"message": message, "finish_reason": self._finish, "logprobs": {"content": self._logprobs or None}}
        return read_reply({"choices": [choice], "usage": self._usage}, seconds=seconds, verbatim=self._verbatim)

    def _take_calls(self, pieces: object) -> None:
        """Joins the pieces of tool calls: each names its call by a number, and adds to the call's arguments."""
        for piece in map(mapping, pieces if isinstance(pieces, list) else []):
            index = piece.get("index")
            call = self._calls.setdefault(index if isinstance(index, int) else len(self._calls), {})
            function = dict(call.get("function", {}))
            for name, value in mapping(piece.get("function")).items():
                before = function.get(name, "")
                function[name] = before + value if isinstance(before, str) and isinstance(value, str) else value
            call |= {key: value for key, value in piece.items() if key not in ("index", "function") and value}
            call["function"] = function
