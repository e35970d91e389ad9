"""The cost of a run: of a question, and of a question up to each population."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from itertools import accumulate
from statistics import fmean
from typing import Any

from selfagg.analysis.member_outcomes import QuestionOutcome, answered
from selfagg.analysis.missing import UNTOLD
from selfagg.record.record import Record

_SUMS = (
    "sum(tries > 0), total(prompt_tokens), total(cached_tokens), "
    f"total(completion_tokens), sum(seconds), sum(error IS NULL AND {UNTOLD})"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls and what they took; for one question, or a question's mean.

    Attributes:
        calls: Calls to the model, verdicts and grades included.
        prompt: Tokens of their prompts, each counted as often as it was sent, as far as the server told them.
        cached: Those of them that the server had in its cache.
        completion: Tokens of the replies.
        seconds: Time of the calls, as if one came after the other.
        without_usage: Replies whose server did not report their tokens, which are in none of these sums.
    """

    calls: float = 0.0
    prompt: float = 0.0
    cached: float = 0.0
    completion: float = 0.0
    seconds: float = 0.0
    without_usage: float = 0.0

    @property
    def told(self) -> bool:
        """Return True if the tokens of any call are known: no prompt has none."""
        return self.prompt > 0 or not self.without_usage

    @property
    def tokens(self) -> float | None:
        """Return prompt and completion tokens together; None where no call's are known."""
        return self.prompt + self.completion if self.told else None

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def as_json(self) -> dict[str, Any]:
        """Return all values for JSON, with the sum of prompt and completion tokens; null for tokens not reported."""
        tokens = {name: getattr(self, name) if self.told else None for name in ("prompt", "cached", "completion")}
        return {
            "calls": self.calls,
            **tokens,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "without_usage": self.without_usage,
        }


def mean_cost(costs: Iterable[Cost]) -> Cost:
    """Return the mean of at least one cost."""
    return Cost(*map(fmean, zip(*map(astuple, costs), strict=True)))


def costs_by_question(record: Record, until: int | None = None) -> dict[int, Cost]:
    """Return the cost of each question that is done, by its position; of its first ``until`` populations if given."""
    rows = record.query(
        f"SELECT question, {_SUMS} FROM generations JOIN questions ON position = question "  # noqa: S608 - constants
        "WHERE weights IS NOT NULL AND (?1 IS NULL OR t <= ?1) GROUP BY question",
        (until,),
    )
    return {question: Cost(*map(float, sums)) for question, *sums in rows}


def costs_by_population(record: Record) -> list[Cost]:
    """Return the mean cost of a question up to each population, that population included.

    Over the questions that are done. Its seconds are those of the calls one after the other; `chain_seconds` has the
    least that a question can take.
    """
    rows = record.query(
        f"SELECT t, {_SUMS} FROM generations JOIN questions ON position = question "  # noqa: S608 - constants
        "WHERE weights IS NOT NULL GROUP BY t ORDER BY t"
    )
    ((done,),) = record.query("SELECT count(*) FROM questions WHERE weights IS NOT NULL")
    spent = {t: Cost(*(value / done for value in sums)) for t, *sums in rows}
    last = record.configuration.get("method", {}).get("t", 0) if rows else 0  # where all questions stopped before it
    return list(accumulate(spent.get(t, Cost()) for t in range(1, max(last, *spent) + 1))) if spent else []


def chain_seconds(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> list[float]:
    """Return the seconds until each population is there if a call waits for its parents alone.

    That is the longest chain of calls from the first population to it, as a mean over the questions that are done:
    the time of a question on an idle model with a place for every call.

    Args:
        record: The record.
        questions: `answered` of it, where that is there already.
    """
    longest: list[list[float]] = []
    for question in questions or answered(record):
        before: list[float] = []
        for t, population in enumerate(question.populations):
            before = [
                member.seconds + max((before[parent] for parent in member.parents), default=0.0)
                for member in population
            ]
            if t == len(longest):
                longest.append([])
            longest[t].append(max(before))
    return [fmean(seconds) for seconds in longest]
