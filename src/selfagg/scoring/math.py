r"""Math: the last ``\boxed{}``, equal to the gold answer as math-verify has it.

Held against ``verify(parse("\boxed{gold}"), parse("\boxed{answer}"))``, the way of the paper's scripts, three
things differ on purpose: a full stop at the end of a box and LaTeX's thin spaces between digits do not make an
answer wrong, and equal texts are equal even where math-verify cannot read them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from selfagg.scoring import workers
from selfagg.scoring.base import Verdict
from selfagg.scoring.extract import last_box
from selfagg.types import Question

TIMEOUT_S = 5.0
"""Wall time of one comparison, in seconds: what math-verify allows a comparison by default."""

LONGEST = 5_000
"""Characters of the longest answer that is compared as mathematics rather than as text."""

_KEPT = 100_000
"""Comparisons remembered."""

_INTEGER = re.compile(r"([+-]?)([0-9]++)")
_THIN_SPACE = re.compile(r"(?<=[0-9])(?:\\[,!;: ]|~|\{,\})(?=[0-9]{3}(?![0-9]))")


class MathScorer:
    """Scores boxed math answers; what is costly runs in worker processes, once a pair of answers."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bool | str] = {}
        self._running: dict[tuple[int, str, str], asyncio.Future[bool | str]] = {}
        self._unreadable: set[str] = set()

    def answer(self, question: Question, text: str) -> str | None:
        r"""The content of the last ``\boxed{}``."""
        return last_box(text)

    async def score(self, question: Question, text: str) -> Verdict:
        """1.0 where the answer equals the gold one, else 0.0."""
        answer = self.answer(question, text)
        if question.gold is None:
            return Verdict(answer)
        if answer is None:
            return Verdict(None, 0.0)
        outcome = await self._equal(last_box(question.gold) or question.gold, answer)
        if isinstance(outcome, str):
            return Verdict(answer, 0.0, outcome)
        return Verdict(answer, float(outcome))

    async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
        """Groups by mathematical equality, whichever of two answers is taken for the gold one.

        Answers that cannot be compared within the time limit equal only themselves.
        """
        plain = [normalised(answer) for answer in answers]
        distinct = list(dict.fromkeys(plain))
        first = {text: text for text in distinct}
        if not all(_INTEGER.fullmatch(text) for text in distinct):
            first |= await self._grouped(distinct) or await self._grouped(await self._readable(distinct))
        return [plain.index(first[text]) for text in plain]

    async def _grouped(self, texts: Sequence[str]) -> dict[str, str]:
        """For each text that can be read the first that equals it; nothing where that takes too long."""
        texts = [text for text in texts if len(text) <= LONGEST and text not in self._unreadable]
        try:
            firsts = await workers.run("selfagg.scoring.math_check:groups", texts, timeout_s=TIMEOUT_S)
        except (TimeoutError, workers.WorkerError):
            return {}
        return {text: texts[first] for text, first in zip(texts, firsts, strict=True)}

    async def _readable(self, texts: Sequence[str]) -> list[str]:
        """Those that can be compared at all, tried one by one against zero; remembers the others."""
        outcomes = await asyncio.gather(*(self._equal("0", text) for text in texts))
        readable = [text for text, outcome in zip(texts, outcomes, strict=True) if isinstance(outcome, bool)]
        self._unreadable |= set(texts) - set(readable)
        return readable

    async def _equal(self, gold: str, answer: str) -> bool | str:
        """Whether two answers are equal, or why nobody knows. Equal calls at one time are one call."""
        gold, answer = normalised(gold), normalised(answer)
        if gold == answer:
            return True
        if (_INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer)) or max(len(gold), len(answer)) > LONGEST:
            return False
        if (known := self._known.get((gold, answer))) is not None:
            return known
        key = (id(asyncio.get_running_loop()), gold, answer)
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.ensure_future(self._compare(gold, answer))
            running.add_done_callback(lambda _: self._running.pop(key))
        return await asyncio.shield(running)

    async def _compare(self, gold: str, answer: str) -> bool | str:
        outcome: bool | str
        try:
            outcome = bool(await workers.run("selfagg.scoring.math_check:equal", gold, answer, timeout_s=TIMEOUT_S))
        except TimeoutError:
            outcome = f"comparing with the gold answer took over {TIMEOUT_S:g} s"
        except workers.WorkerError as error:
            outcome = f"comparing with the gold answer failed ({error.error or 'the checker died'})"
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[gold, answer] = outcome
        return outcome


def normalised(answer: str) -> str:
    """An answer with white space collapsed and the ornaments taken off that change nothing.

    Plain integers lose leading zeros (AIME's 033 is 33), and thin spaces between their thousands.
    """
    text = _undollared(" ".join(answer.split()))
    if text.endswith(".") and not text.endswith(".."):
        text = _undollared(text[:-1].rstrip())
    text = _THIN_SPACE.sub("", text)
    if match := _INTEGER.fullmatch(text):
        digits = match[2].lstrip("0") or "0"
        return "-" + digits if match[1] == "-" and digits != "0" else digits
    return text


def _undollared(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "$" and text[-2] != "\\":
        return text.strip("$ ")
    return text
