r"""Math: the last ``\boxed{}``, equal to the gold answer in any spelling.

Answers are read once each, into typed values (`selfagg.scoring.answers`); a score and a vote compare the same values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from selfagg.scoring import workers
from selfagg.scoring.answers.values import Value, first_equal, plain_number, same, text_value, unwrapped
from selfagg.scoring.base import Verdict
from selfagg.scoring.extract import last_box
from selfagg.scoring.gold import math_gold
from selfagg.types import Question

TIMEOUT_S = 5.0
"""Time that reading one answer may take, in seconds: what math-verify allows by default."""

LONGEST = 5_000
"""Characters of the longest answer that is read as mathematics rather than as text."""

_KEPT = 100_000  # answers remembered


class MathScorer:
    """A scorer of boxed math answers; costly steps run in worker processes, once for each answer."""

    def __init__(self) -> None:
        self._known: dict[str, Value | str] = {}
        self._running: dict[tuple[int, str], asyncio.Future[Value | str]] = {}

    def answer(self, question: Question, text: str) -> str | None:
        return last_box(text)

    async def score(self, question: Question, text: str) -> Verdict:
        """Return no score if the answer or the gold one could not be read in time."""
        answer = self.answer(question, text)
        if question.gold is None:
            return Verdict(answer)
        if answer is None:
            return Verdict(None, 0.0)
        gold = math_gold(question.gold)
        if unwrapped(gold) == unwrapped(answer):
            return Verdict(answer, 1.0)
        one, other = await asyncio.gather(self.value(gold), self.value(answer))
        if isinstance(one, str) or isinstance(other, str):
            return Verdict(answer, None, one if isinstance(one, str) else str(other))
        return Verdict(answer, float(same(one, other)))

    async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
        """Group equal answers, in whatever order they come; one that could not be read in time equals only itself."""
        values = await asyncio.gather(*map(self.value, answers))
        pairs = zip(values, answers, strict=True)
        return first_equal(
            [value if isinstance(value, Value) else Value("unread", (unwrapped(answer),)) for value, answer in pairs]
        )

    async def value(self, answer: str) -> Value | str:
        """Return an answer's value, or why it has none. Equal calls at one time are one call."""
        if (plain := plain_number(answer)) is not None:
            return plain
        if len(answer) > LONGEST:
            return text_value(answer)
        if (known := self._known.get(answer)) is not None:
            return known
        key = (id(asyncio.get_running_loop()), answer)
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.ensure_future(self._ask(answer))
            running.add_done_callback(lambda _: self._running.pop(key))
        return await asyncio.shield(running)

    async def _ask(self, answer: str) -> Value | str:
        found: Value | str
        try:
            kind, readings = await workers.run("selfagg.scoring.answers.read:read", answer, timeout_s=TIMEOUT_S)
            found = Value(kind, tuple(readings))
        except TimeoutError:
            found = f"reading the answer took over {TIMEOUT_S:g} s"
        except workers.WorkerError as error:
            found = f"reading the answer failed ({error.error or 'the checker died'})"
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[answer] = found
        return found
