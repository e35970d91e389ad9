"""The cost of a run: of a question, and of a question up to each population."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass
from itertools import accumulate
from statistics import fmean
from typing import Any

from selfagg.analysis.member_outcomes import QuestionOutcome, answered
from selfagg.analysis.missing import UNTOLD
from selfagg.record.record import Record

_SPENT = (
    "sum(tries > 0), total(prompt_tokens), total(cached_tokens), total(completion_tokens), sum(seconds), "
    f"sum(error IS NULL AND {UNTOLD}) FROM generations JOIN questions ON position = question WHERE weights IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls and what they took; for one question, or a question's mean."""

    calls: float = 0.0  # calls to the model, verdicts and grades included
    prompt: float = 0.0  # tokens of their prompts, each counted as often as it was sent, as far as the server told them
    cached: float = 0.0  # those of them that the server had in its cache
    completion: float = 0.0  # tokens of the replies
    seconds: float = 0.0  # time of the calls, as if one came after the other
    without_usage: float = 0.0  # replies whose server did not report their tokens, which are in none of these sums

    @property
    def told(self) -> bool:
        """Return True if the tokens of any call are known: no prompt has none."""
        return self.prompt > 0 or not self.without_usage

    @property
    def tokens(self) -> float | None:
        """Return prompt and completion tokens together; None where no call's are known."""
        return self.prompt + self.completion if self.told else None

    def __add__(self, other: Cost) -> Cost:
        return Cost(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: int) -> Cost:
        return Cost(*(times * value for value in astuple(self)))

    def as_json(self) -> dict[str, Any]:
        """Return all values for JSON, with the sum of prompt and completion tokens; null for tokens not reported."""
        told: dict[str, float | None] = asdict(self)
        if not self.told:
            told |= dict.fromkeys(("prompt", "cached", "completion"))
        seconds, without_usage = told.pop("seconds"), told.pop("without_usage")
        return {**told, "tokens": self.tokens, "seconds": seconds, "without_usage": without_usage}


def mean_cost(costs: Iterable[Cost]) -> Cost:
    """Return the mean of at least one cost."""
    return Cost(*map(fmean, zip(*map(astuple, costs), strict=True)))


def costs_by_question(record: Record) -> dict[int, Cost]:
    """Return the cost of each question that is done, by its position."""
    rows = record.query(f"SELECT question, {_SPENT} GROUP BY question")
    return {question: Cost(*map(float, sums)) for question, *sums in rows}


def costs_by_population(record: Record) -> list[Cost]:
    """Return the mean cost of a question up to each population, that population included.

    Over the questions that are done. Its seconds are those of the calls one after the other; `chain_seconds` has the
    least that a question can take.
    """
    rows = record.query(f"SELECT t, {_SPENT} GROUP BY t ORDER BY t")
    ((done,),) = record.query("SELECT count(*) FROM questions WHERE weights IS NOT NULL")
    spent = {t: Cost(*(value / done for value in sums)) for t, *sums in rows}
    # Where all questions stopped before the run's last population, nothing was spent on it.
    last = max(record.configuration.get("method", {}).get("t", 0), *spent) if spent else 0
    return list(accumulate(spent.get(t, Cost()) for t in range(1, last + 1)))


def chain_seconds(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> list[float]:
    """Return the seconds until each population is there if a call waits for its parents alone.

    That is the longest chain of calls from the first population to it, as a mean over the questions that are done:
    the time of a question on an idle model with a place for every call. ``questions``: `answered`, where it is there.
    """
    longest: list[list[float]] = []
    for question in questions or answered(record):
        before: list[float] = []
        longest.append([])
        for population in question.populations:
            before = [m.seconds + max((before[parent] for parent in m.parents), default=0.0) for m in population]
            longest[-1].append(max(before))
    return [fmean(seconds) for seconds in zip(*longest, strict=True)]
