"""A prompt before it is fitted to a model: a question, the candidates it shows, and the words around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from selfagg.errors import UsageError
from selfagg.prompts.wording import Wording
from selfagg.types import Member, Message, Question

CandidateFormat = Callable[[Member], str]

CHARACTERS_PER_TOKEN = 4
"""Rough length of a token of English text, for ``tail:TOKENS``; the fit to the context counts real tokens."""

CUT = "[... cut ...] "

_PLACE = "\ue000"  # a private-use character


@dataclass(frozen=True, slots=True)
class Prompt:
    """The source of one member."""

    question: Question
    candidates: tuple[Member, ...] = ()
    template: str = "first"  # of the user's turn, as `Wording` has them
    temperature: float | None = None  # rather than the run's
    max_tokens: int | None = None  # a bound below the run's
    wording: Wording = field(default_factory=Wording)  # the engine sets the run's

    @property
    def shown(self) -> tuple[Member, ...]:
        """Return the candidates that have a reply: a failed one has nothing to show."""
        return tuple(candidate for candidate in self.candidates if candidate.reply)

    def messages(self, texts: Sequence[str]) -> tuple[Message, ...]:
        """Return the conversation, with these texts in the place of the candidates."""
        question, content = self.question, self._content(texts)
        context = self._context(len(texts))
        asked: Message = question.turn or {"role": "user", "content": question.text}
        if question.after and self.candidates:  # the conversation as it stands, then what is asked about it
            return (*context, asked, *question.after, {"role": "user", "content": content})
        return (*context, {**asked, "content": content}, *question.after)

    def _context(self, candidates: int) -> tuple[Message, ...]:
        """Return the question's context, its examples asked in the very words that the question is asked in.

        Of an example's candidates one is wrong, in a place that moves from example to example.
        """
        question = self.question
        if not question.examples:
            return question.context
        turns: list[Message] = []
        for place, example in enumerate(question.examples):
            texts = [example.right] * candidates
            if candidates and example.wrong:
                texts[place % candidates] = example.wrong
            asked = self.wording.words(self.template, replace(question, text=example.text), texts)
            turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": example.right}]
        system = [message for message in question.context if message.get("role") == "system"]
        others = [message for message in question.context if message.get("role") != "system"]
        return (*system, *turns, *others)

    def _content(self, texts: Sequence[str]) -> Any:
        """Return the words, with the question's own parts (its images) in the place of its text."""
        question = self.question
        parts = question.turn.get("content") if question.turn else None
        if not isinstance(parts, list):
            return self.wording.words(self.template, question, texts)
        words = self.wording.words(self.template, replace(question, text=_PLACE), texts)
        before, found, after = words.partition(_PLACE)
        own = [dict(part) for part in parts] if found else []
        return [*_text(before), *own, *_text(after)]


def _text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}] if words.strip() else []


def first(question: Question) -> Prompt:
    """Return the prompt of the first population."""
    return Prompt(question)


def aggregation(question: Question, candidates: Sequence[Member]) -> Prompt:
    """Return the prompt that makes one better response out of ``candidates``; for a single one, the refine wording."""
    return Prompt(question, tuple(candidates), "aggregate")


def verification(question: Question, candidate: Member) -> Prompt:
    """Ask whether a candidate is right, True or False: sampled as in the paper, at 0.1, in 10 tokens."""
    return Prompt(question, (candidate,), "verify", 0.1, 10)


def grading(question: Question, candidate: Member) -> Prompt:
    """Ask for a grade of a candidate from 0 to 10, a number alone."""
    return Prompt(question, (candidate,), "grade", 0.1, 10)


def candidate_format_named(name: str) -> CandidateFormat:
    """Return what gives the part of a candidate that an aggregation prompt shows.

    ``response`` (the default) shows the whole response; a reasoning section that the model separates stays out.
    ``reasoning`` shows that section too. ``answer`` shows the final answer only. ``tail:TOKENS`` shows the last
    tokens of the response (Markovian RSA, arXiv 2605.05365).

    Raises:
        UsageError: There is no such format.
    """
    if name == "response":
        return _response
    if name == "reasoning":
        return lambda member: f"{_reasoning(member).strip()}\n\n{member.text.strip()}".strip() or "(empty)"
    if name == "answer":
        return lambda member: member.answer if member.answer is not None else "(no final answer)"
    if tail := re.fullmatch(r"tail:([1-9]\d{0,8})", name):
        length = int(tail[1]) * CHARACTERS_PER_TOKEN
        return lambda member: shorten(_response(member), length)
    raise UsageError(f"there is no candidate view {name!r}; there are response, reasoning, answer, tail:TOKENS")


def shorten(text: str, length: int) -> str:
    """Return the last ``length`` characters of a text, the cut marked; the answer stands at the end."""
    return text if len(text) <= length else CUT + text[len(text) - length :]


def _response(member: Member) -> str:
    # A reply that was cut while it was still reasoning has nothing but its reasoning to show.
    return (member.text or _reasoning(member)).strip() or "(empty)"


def _reasoning(member: Member) -> str:
    return member.reply.reasoning if member.reply else ""
