"""Examples to learn from: what an honest aggregator of rows would write.

A response gives each row two lines, ``A try 7+3-1=9`` and ``A bad 7+3-1`` (or ``A good ...``): the total is stated
before the verdict, so that the verdict can be read off. A row that a candidate calls good is taken over and added up
again; any other row is tried afresh, with signs that no candidate tried. Some candidates lie (a false total, or a
verdict that does not follow from it); the response to them is honest: these are the hard negatives.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from selfagg.benchmarks.sign_rows import LETTERS, Row, draw_row, question_of
from selfagg.prompts import Prompt, aggregation, first, verification
from selfagg.prompts.wording import Wording
from selfagg.types import Member, Message, Question, Reply

SHORT = Wording.read(Path(__file__).with_name("wording.toml"))
"""The words that the adapter is trained on."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How often the kinds of lessons come.

    Attributes:
        candidates: Weights of 0, 1, 2 and 3 candidates.
        rows: Weights of 2, 3 and 4 rows.
        judging: Share of lessons that ask whether a candidate is right.
        lies: Share of a candidate's rows that state something false.
    """

    candidates: tuple[float, ...] = (0.25, 0.15, 0.45, 0.15)
    rows: tuple[float, ...] = (0.2, 0.3, 0.5)
    judging: float = 0.08
    lies: float = 0.08


@dataclass(frozen=True, slots=True)
class Lesson:
    """A conversation, the response to learn, and what else of the prompt is true and can be learnt.

    Attributes:
        messages: The prompt.
        response: The response.
        facts: Attempts of candidates, as they stand in the prompt, whose total and verdict are true.
    """

    messages: tuple[Message, ...]
    response: str
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row of a candidate: the expression, the total it states, and its verdict."""

    expression: str
    total: int
    good: bool

    def text(self, letter: str) -> str:
        """Return the two lines."""
        verdict = "good" if self.good else "bad"
        return f"{letter} try {self.expression}={self.total}\n{letter} {verdict} {self.expression}"


def honest(row: Row, expression: str) -> Attempt:
    """Add an expression up and judge it."""
    total = row.expressions[expression]
    return Attempt(expression, total, total == row.target)


def response(rows: Sequence[Row], candidates: Sequence[Sequence[Attempt]], drawn: random.Random) -> list[Attempt]:
    """Return what an honest aggregator writes."""
    return [_taken_over(row, [candidate[place] for candidate in candidates], drawn) for place, row in enumerate(rows)]


def _taken_over(row: Row, seen: Sequence[Attempt], drawn: random.Random) -> Attempt:
    good = [attempt.expression for attempt in seen if attempt.good]
    if row.solution in good:
        return honest(row, row.solution)
    tried = {attempt.expression for attempt in seen}
    untried = [expression for expression in row.expressions if expression not in tried]
    return honest(row, drawn.choice(good or untried or list(row.expressions)))


def candidate(rows: Sequence[Row], skill: float, lies: float, drawn: random.Random) -> list[Attempt]:
    """Draw a candidate that solves a row with the chance ``skill`` and states something false with ``lies``."""
    return [_attempt(row, drawn.random() < skill, drawn.random() < lies, drawn) for row in rows]


def _attempt(row: Row, solved: bool, lies: bool, drawn: random.Random) -> Attempt:
    wrong = [expression for expression in row.expressions if expression != row.solution]
    told = honest(row, row.solution if solved else drawn.choice(wrong))
    if not lies:
        return told
    if drawn.random() < 0.3:
        return Attempt(told.expression, told.total, not told.good)
    total = told.total + drawn.choice([-2, -1, 1, 2]) if solved else row.target
    return Attempt(told.expression, total, total == row.target)


def lesson(drawn: random.Random, mix: Mix, wording: Wording) -> Lesson:
    """Draw one lesson."""
    (count,) = drawn.choices((2, 3, 4), mix.rows)
    rows = [draw_row(drawn) for _ in range(count)]
    question = question_of(rows, "lesson")
    skill = drawn.random()
    if drawn.random() < mix.judging:
        return _judging(question, candidate(rows, drawn.choice([skill, 0.9]), mix.lies, drawn), wording)
    (shown,) = drawn.choices(range(len(mix.candidates)), mix.candidates)
    candidates = [candidate(rows, skill, mix.lies, drawn) for _ in range(shown)]
    texts = [written(attempts) for attempts in candidates]
    prompt = aggregation(question, [_member(text) for text in texts]) if texts else first(question)
    facts = {fact for attempts in candidates for fact in _facts(rows, attempts)}
    return Lesson(_messages(prompt, texts, wording), written(response(rows, candidates, drawn)), tuple(sorted(facts)))


def _judging(question: Question, attempts: Sequence[Attempt], wording: Wording) -> Lesson:
    text = written(attempts)
    solutions = ", ".join(f"{letter} {attempt.expression}" for letter, attempt in zip(LETTERS, attempts, strict=False))
    messages = _messages(verification(question, _member(text)), [text], wording)
    return Lesson(messages, str(solutions == question.gold))


def written(attempts: Sequence[Attempt]) -> str:
    """Return a response of these attempts."""
    return "\n".join(attempt.text(letter) for letter, attempt in zip(LETTERS, attempts, strict=False))


def _facts(rows: Sequence[Row], attempts: Sequence[Attempt]) -> list[str]:
    told = zip(LETTERS, rows, attempts, strict=False)
    return [attempt.text(letter) for letter, row, attempt in told if attempt == honest(row, attempt.expression)]


def _member(text: str) -> Member:
    return Member(1, 0, reply=Reply(text))


def _messages(prompt: Prompt, texts: Sequence[str], wording: Wording) -> tuple[Message, ...]:
    return replace(prompt, wording=wording).messages(texts)
