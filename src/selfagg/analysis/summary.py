"""What a run came to: each population, the method's own answer, and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from selfagg.analysis.outcomes import Answered, Outcome, answered, elected, votes
from selfagg.analysis.statistics import Estimate, mean_interval
from selfagg.engine.record import Record
from selfagg.types import Usage


@dataclass(frozen=True, slots=True)
class PopulationSummary:
    """One population, over all questions that are done.

    The first four are None where no question has a gold answer.

    Attributes:
        t: Which population; 1 is the first.
        size: Members a question.
        accuracy: Share of members whose answer is right, failed calls counted as wrong: the paper's Pass@1.
        partial_credit: Mean score; equal to the accuracy where the task gives no partial credit.
        pass_at_n: Share of questions with at least one right member.
        majority: Share of questions whose most frequent answer is right; one that nobody answered is wrong.
        distinct: Different answers a question, on average.
        unanswered: Members without an answer, in all, and
        cut: those of them whose reply was cut by the limit on its length, and
        failed: those of them whose call failed.
        mean_tokens: Tokens of a reply, on average over the calls that gave one.
    """

    t: int
    size: int
    accuracy: Estimate | None
    partial_credit: float | None
    pass_at_n: Estimate | None
    majority: Estimate | None
    distinct: float
    unanswered: int
    cut: int
    failed: int
    mean_tokens: float

    def as_json(self) -> dict[str, Any]:
        """One entry of ``populations`` in `Summary.as_json`."""
        return {
            "t": self.t,
            "accuracy": _mean(self.accuracy),
            "interval": _interval(self.accuracy),
            "partial_credit": self.partial_credit,
            "pass_at_n": _mean(self.pass_at_n),
            "majority": _mean(self.majority),
            "distinct": self.distinct,
            "unanswered": self.unanswered,
            "unanswered_cut": self.cut,
            "unanswered_failed": self.failed,
            "mean_tokens": self.mean_tokens,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers. Populations and answers are those of the questions that are done; costs are all there were.

    Attributes:
        method: Name of the method.
        n: Members of a population.
        k: Candidates of an aggregation set; None where the method has no such setting.
        t: Populations, the first included.
        model: What answered.
        record: The record's file; None if it was kept in memory.
        questions: Questions that are done.
        questions_total: Questions of the run.
        populations: One entry a population.
        answer_accuracy: How often the method's own answer is right: for RSA a member of the last population drawn
            uniformly, for majority voting the vote, for rejection sampling one of those accepted. None without gold.
        calls: Calls to the model.
        usage: Tokens of all calls.
        seconds: Wall time of all sessions of the run.
        failures: Calls that failed for good.
        shortened: Candidates that were shortened to fit the model's context.
    """

    method: str
    n: int
    k: int | None
    t: int
    model: str
    record: Path | None
    questions: int
    questions_total: int
    populations: Sequence[PopulationSummary]
    answer_accuracy: Estimate | None
    calls: int
    usage: Usage
    seconds: float
    failures: int
    shortened: int

    @property
    def simulated(self) -> bool:
        """Whether no language model was asked at all."""
        return self.model.startswith("simulated")

    @property
    def complete(self) -> bool:
        """Whether every question is done."""
        return self.questions == self.questions_total

    def as_json(self) -> dict[str, Any]:
        """The object that ``selfagg eval --json`` prints."""
        return {
            "method": self.method,
            "n": self.n,
            "k": self.k,
            "t": self.t,
            "model": self.model,
            "simulated": self.simulated,
            "questions": self.questions,
            "questions_total": self.questions_total,
            "populations": [population.as_json() for population in self.populations],
            "answer_accuracy": _mean(self.answer_accuracy),
            "answer_interval": _interval(self.answer_accuracy),
            "calls": self.calls,
            "usage": {
                "prompt": self.usage.prompt,
                "cached": self.usage.cached,
                "completion": self.usage.completion,
                "reasoning": self.usage.reasoning,
            },
            "seconds": self.seconds,
            "failures": self.failures,
            "shortened": self.shortened,
            "record": str(self.record) if self.record else None,
        }


def summarise(record: Record) -> Summary:
    """Adds a run up. One that was interrupted too: its questions that are done."""
    method = record.configuration.get("method", {})
    tallies: list[_Tally] = []
    worth: list[list[float]] = []
    done = 0
    for question in answered(record):
        done += 1
        tallies += [_Tally() for _ in range(len(question.populations) - len(tallies))]
        for tally, population in zip(tallies, question.populations, strict=False):
            tally.add(question, population)
        if question.scored:
            worth.append([question.worth])
    calls, failures, shortened, *tokens = record.query(
        "SELECT coalesce(sum(tries > 0), 0), coalesce(sum(error IS NOT NULL), 0), coalesce(sum(cut), 0), "
        "coalesce(sum(prompt_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(completion_tokens), 0), "
        "coalesce(sum(reasoning_tokens), 0) FROM generations"
    )[0]
    ((total,),) = record.query("SELECT count(*) FROM questions")
    return Summary(
        method=method.get("name", ""),
        n=method.get("n", 0),
        k=method.get("k"),
        t=method.get("t", 0),
        model=record.configuration.get("model", ""),
        record=record.path,
        questions=done,
        questions_total=total,
        populations=[tally.summary(t) for t, tally in enumerate(tallies, start=1)],
        answer_accuracy=estimate(worth),
        calls=calls,
        usage=Usage(*tokens),
        seconds=record.seconds,
        failures=failures,
        shortened=shortened,
    )


@dataclass
class _Tally:
    """One population's numbers, question by question."""

    size: int = 0
    right: list[list[float]] = field(default_factory=list)
    credit: list[float] = field(default_factory=list)
    found: list[list[float]] = field(default_factory=list)
    majority: list[list[float]] = field(default_factory=list)
    distinct: list[int] = field(default_factory=list)
    unanswered: int = 0
    cut: int = 0
    failed: int = 0
    replies: int = 0
    tokens: int = 0

    def add(self, question: Answered, population: Sequence[Outcome]) -> None:
        self.size = len(population)
        self.distinct.append(len(votes(population)))
        for member in population:
            self.unanswered += member.same is None
            self.cut += member.same is None and member.cut
            self.failed += member.failed
            self.replies += not member.failed
            self.tokens += member.completion
        if question.scored:
            winner = elected(population)
            self.right.append([float(member.right) for member in population])
            self.credit.append(fmean(member.score or 0.0 for member in population))
            self.found.append([float(any(member.right for member in population))])
            self.majority.append([float(winner is not None and winner.right)])

    def summary(self, t: int) -> PopulationSummary:
        return PopulationSummary(
            t=t,
            size=self.size,
            accuracy=estimate(self.right),
            partial_credit=fmean(self.credit) if self.credit else None,
            pass_at_n=estimate(self.found),
            majority=estimate(self.majority),
            distinct=fmean(self.distinct),
            unanswered=self.unanswered,
            cut=self.cut,
            failed=self.failed,
            mean_tokens=self.tokens / self.replies if self.replies else 0.0,
        )


def estimate(values_by_question: Iterable[Sequence[float]]) -> Estimate | None:
    """`mean_interval`, or None where there is no question."""
    values = list(values_by_question)
    return mean_interval(values) if values else None


def _mean(value: Estimate | None) -> float | None:
    return None if value is None else value.mean


def _interval(value: Estimate | None) -> list[float] | None:
    return None if value is None else [value.low, value.high]
