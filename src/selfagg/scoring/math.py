r"""Math: the last ``\boxed{}``, equal to the gold answer as math-verify has it.

Held against ``verify(parse("\boxed{gold}"), parse("\boxed{answer}"))``, the way of the paper's scripts, three
things differ on purpose: a full stop at the end of a box and LaTeX's thin spaces between digits do not make an
answer wrong, and equal texts are equal even where math-verify cannot read them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from selfagg.scoring import workers
from selfagg.scoring.base import Verdict
from selfagg.scoring.extract import last_box
from selfagg.types import Question

TIMEOUT_S = 10.0
"""Wall time of one comparison; math-verify's own limits allow 5 s for each parse and 5 s for the comparison."""

LONGEST = 5_000
"""Characters of the longest answer that is compared as mathematics rather than as text."""

_INTEGER = re.compile(r"([+-]?)0*([0-9]+)")
_THIN_SPACE = re.compile(r"(?<=[0-9])(?:\\[,!;: ]|~|\{,\})(?=[0-9]{3}(?![0-9]))")


class MathScorer:
    """Scores boxed math answers; what is costly runs in worker processes, once a pair of answers."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bool | str] = {}

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
        """Groups by mathematical equality, whichever of two answers is taken for the gold one."""
        plain = [normalised(answer) for answer in answers]
        distinct = list(dict.fromkeys(plain))
        wordy = [text for text in distinct if not _INTEGER.fullmatch(text)]
        first = {text: text for text in distinct}
        if wordy:
            first |= await self._grouped(distinct)
        return [plain.index(first[text]) for text in plain]

    async def _grouped(self, distinct: Sequence[str]) -> dict[str, str]:
        """For each text the first that equals it: in one call, or pair by pair where that takes too long."""
        try:
            positions = await workers.run(
                "selfagg.scoring.math_check:groups", [text[:LONGEST] for text in distinct], timeout_s=TIMEOUT_S
            )
            return {text: distinct[position] for text, position in zip(distinct, positions, strict=True)}
        except (TimeoutError, workers.WorkerError):
            pass
        first: dict[str, str] = {}
        for text in distinct:
            for other in dict.fromkeys(first.values()):
                if await self._equal(other, text) is True or await self._equal(text, other) is True:
                    first[text] = other
                    break
            else:
                first[text] = text
        return first

    async def _equal(self, gold: str, answer: str) -> bool | str:
        """Whether two answers are equal, or why nobody knows."""
        gold, answer = normalised(gold), normalised(answer)
        if gold == answer:
            return True
        if (_INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer)) or max(len(gold), len(answer)) > LONGEST:
            return False
        key = (gold, answer)
        if key not in self._known:
            if len(self._known) >= 100_000:
                self._known.clear()
            self._known[key] = await self._compared(gold, answer)
        return self._known[key]

    @staticmethod
    async def _compared(gold: str, answer: str) -> bool | str:
        try:
            return bool(await workers.run("selfagg.scoring.math_check:equal", gold, answer, timeout_s=TIMEOUT_S))
        except TimeoutError:
            return f"comparing with the gold answer took over {TIMEOUT_S:g} s"
        except workers.WorkerError as error:
            return f"comparing with the gold answer failed ({error.error or 'the checker died'})"


def normalised(answer: str) -> str:
    """An answer with white space collapsed and the ornaments taken off that change nothing.

    Plain integers lose leading zeros (AIME's 033 is 33) and the separators of their thousands.
    """
    text = " ".join(answer.split()).strip("$ ")
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1].rstrip("$ ")
    text = _THIN_SPACE.sub("", text)
    if match := _INTEGER.fullmatch(text):
        sign = "-" if match[1] == "-" and match[2] != "0" else ""
        return sign + match[2]
    return text
