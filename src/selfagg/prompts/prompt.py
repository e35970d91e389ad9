"""A prompt before it is fitted to a model: a question, the candidates it shows, and the words around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from selfagg.prompts.wording import Wording
from selfagg.types import Member, Message, Question

Words = Callable[[Wording, Question, Sequence[str]], str]

_Written = Callable[[Question, Sequence[str]], str]

_PLACE = "\ue000"  # a private-use character


@dataclass(frozen=True, slots=True)
class Prompt:
    """The source of one member: a question, candidates and words.

    Attributes:
        question: The question; its context comes before everything else.
        candidates: The members shown, in this order; a failed one has nothing to show and is left out.
        words: Writes the user's turn from the question and the candidates' texts.
        temperature: Sampled at this temperature rather than the run's.
        max_tokens: A bound on the reply's tokens below the run's.
        wording: The words of the run; the engine sets them.
    """

    question: Question
    candidates: tuple[Member, ...]
    words: Words
    temperature: float | None = None
    max_tokens: int | None = None
    wording: Wording = field(default_factory=Wording)

    @property
    def shown(self) -> tuple[Member, ...]:
        """Return the candidates that have a reply."""
        return tuple(candidate for candidate in self.candidates if candidate.reply)

    def messages(self, texts: Sequence[str]) -> tuple[Message, ...]:
        """Return the conversation, with these texts in the place of the candidates."""
        question = self.question
        context = _with_examples(question, self._written, len(texts))
        if question.turn is None and not question.after:
            return (*context, {"role": "user", "content": self._written(question, texts)})
        asked = question.turn or {"role": "user", "content": question.text}
        if question.after and self.candidates:  # the conversation as it stands, then what is asked about it
            last: Message = {"role": "user", "content": _around(question, self._written, texts)}
            return (*context, asked, *question.after, last)
        asked = {**asked, "content": _around(question, self._written, texts)}
        return (*context, asked, *question.after)

    def _written(self, question: Question, texts: Sequence[str]) -> str:
        return self.words(self.wording, question, texts)


def _with_examples(question: Question, words: _Written, candidates: int) -> tuple[Message, ...]:
    """Return the question's context, its examples asked in the very words that the question is asked in.

    Of an example's candidates one is wrong, in a place that moves from example to example.
    """
    if not question.examples:
        return question.context
    turns: list[Message] = []
    for place, example in enumerate(question.examples):
        texts = [example.right] * candidates
        if candidates and example.wrong:
            texts[place % candidates] = example.wrong
        asked = words(replace(question, text=example.text), texts)
        turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": example.right}]
    system = [message for message in question.context if message.get("role") == "system"]
    others = [message for message in question.context if message.get("role") != "system"]
    return (*system, *turns, *others)


def _around(question: Question, words: _Written, texts: Sequence[str]) -> Any:
    """Return the words, with the question's own parts (its images) in the place of its text."""
    parts = question.turn.get("content") if question.turn else None
    if not isinstance(parts, list):
        return words(question, texts)
    before, found, after = words(replace(question, text=_PLACE), texts).partition(_PLACE)
    own = [dict(part) for part in parts] if found else []
    return [*_text(before), *own, *_text(after)]


def _text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}] if words.strip() else []


def first(question: Question) -> Prompt:
    """Return the prompt of the first population."""
    return Prompt(question, (), lambda words, question, _: words.first_words(question))


def aggregation(question: Question, candidates: Sequence[Member]) -> Prompt:
    """Return the prompt that makes one better response out of ``candidates``; for a single one, the refine wording."""
    return Prompt(question, tuple(candidates), Wording.aggregation_words)


def verification(question: Question, candidate: Member) -> Prompt:
    """Ask whether a candidate is right, True or False: sampled as in the paper, at 0.1, in 10 tokens."""
    return Prompt(question, (candidate,), lambda words, q, texts: words.verification_words(q, texts[0]), 0.1, 10)


def grading(question: Question, candidate: Member) -> Prompt:
    """Ask for a grade of a candidate from 0 to 10, a number alone."""
    return Prompt(question, (candidate,), lambda words, q, texts: words.grading_words(q, texts[0]), 0.1, 10)
