"""A prompt before it is fitted to a model: a question, the candidates it shows, and the words around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selfagg.prompts.wording import aggregation_words, first_words, refinement_words
from selfagg.types import Member, Message, Question

Words = Callable[[Question, Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one member is sampled from.

    Attributes:
        question: The question; its context comes before everything else.
        candidates: The members shown, in this order; a failed one has nothing to show and is left out.
        words: Writes the user's turn from the question and the candidates' texts.
    """

    question: Question
    candidates: tuple[Member, ...]
    words: Words

    @property
    def shown(self) -> tuple[Member, ...]:
        """The candidates that have a reply."""
        return tuple(candidate for candidate in self.candidates if candidate.reply)

    def messages(self, texts: Sequence[str]) -> tuple[Message, ...]:
        """The conversation, with these texts in the place of the candidates."""
        return (*self.question.context, {"role": "user", "content": self.words(self.question, texts)})


def first(question: Question) -> Prompt:
    """The prompt of the first population."""
    return Prompt(question, (), lambda question, texts: first_words(question))


def aggregation(question: Question, candidates: Sequence[Member]) -> Prompt:
    """The prompt that makes one better response out of ``candidates``; for a single one, the refine wording."""
    return Prompt(question, tuple(candidates), _aggregate)


def _aggregate(question: Question, texts: Sequence[str]) -> str:
    return aggregation_words(question, texts) if len(texts) > 1 else refinement_words(question, texts[0])
