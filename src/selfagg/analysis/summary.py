"""The summary of a run: each population, the method's own answer, and the cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfagg.analysis.member_outcomes import QuestionOutcome, answered
from selfagg.analysis.missing import Missing, usage_json
from selfagg.analysis.population import PopulationSummary, Tallies, interval, mean
from selfagg.analysis.statistics import Estimate
from selfagg.methods.base import ADAPTIVE
from selfagg.record.record import Record
from selfagg.types import Usage


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers. Populations and answers are those of the questions that are done; costs are all there were.

    Attributes:
        method: Name of the method.
        n: Members of a population.
        k: Candidates of an aggregation set; None where the method has no such setting.
        t: Populations, the first included.
        model: The model that answered.
        record: The record's file; None if it was kept in memory.
        questions: Questions that are done.
        questions_total: Questions of the run.
        populations: One entry a population.
        answer_accuracy: Accuracy of the method's own answer: for RSA a member of the last population drawn
            uniformly, for majority voting the vote, for rejection sampling one of those accepted. None without gold.
        answer_replied: The same, members without a reply left out.
        missing: Members without a reply or a score, replies without a count of tokens.
        sampling: The recorded sampling of members.
        calls: Calls to the model.
        usage: Tokens of all calls.
        seconds: Wall time of all sessions of the run.
        failures: Generations without a reply: calls that failed for good, and
        copies: Members that were copied without a call, because all candidates of their set agreed.
        depth: Populations of a question, on average; a question that stopped has fewer than ``t``.
        stopped: Questions that stopped before their last population.
        adaptive: The method's settings of stopping, copying and answering, as far as they are not at their default.
        skipped: those of them that were no call, because none of their parents has a reply either.
        shortened: Candidates that were shortened to fit the model's context.
        last_failure: The reason for the last failed call, or None.
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
    answer_replied: Estimate | None
    missing: Missing
    sampling: Mapping[str, Any]
    calls: int
    usage: Usage
    seconds: float
    failures: int
    skipped: int
    shortened: int
    copies: int = 0
    depth: float | None = None
    stopped: int = 0
    adaptive: Mapping[str, Any] = field(default_factory=dict)
    last_failure: str | None = None

    @property
    def simulated(self) -> bool:
        """Return True if the model was simulated, so that no language model was called."""
        return self.model.startswith("simulated")

    @property
    def complete(self) -> bool:
        """Return True if every question is done."""
        return self.questions == self.questions_total

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``selfagg eval --json`` prints."""
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
            **{name: value for name, value in self.adaptive.items() if name != "answer"},
            "answer": self._answer(),
            "answer_accuracy": mean(self.answer_accuracy),
            "answer_interval": interval(self.answer_accuracy),
            "answer_replied": mean(self.answer_replied),
            "missing": self.missing.as_json(),
            "sampling": dict(self.sampling),
            "calls": self.calls,
            "usage": usage_json(self.usage, self.missing.replies),
            "seconds": self.seconds,
            "failures": self.failures,
            "skipped": self.skipped,
            "copies": self.copies,
            "depth": self.depth,
            "stopped": self.stopped,
            "shortened": self.shortened,
            "last_failure": self.last_failure,
            "record": str(self.record) if self.record else None,
        }

    def _answer(self) -> dict[str, Any]:
        found = {"accuracy": mean(self.answer_accuracy), "interval": interval(self.answer_accuracy)}
        return found | ({"by": self.adaptive["answer"]} if "answer" in self.adaptive else {})


def summarise(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> Summary:
    """Summarise the questions of a run that are done; the run may have been interrupted.

    Args:
        record: The record.
        questions: `answered` of it, where that is there already.
    """
    method = record.configuration.get("method", {})
    tallies = Tallies()
    for question in questions or answered(record):
        tallies.add(question)
    calls, failures, skipped, copies, shortened, prompt, cached, completion, reasoning = record.query(
        "SELECT coalesce(sum(tries > 0), 0), coalesce(sum(error IS NOT NULL), 0), "
        "coalesce(sum(tries = 0 AND error IS NOT NULL), 0), coalesce(sum(tries = 0 AND error IS NULL), 0), "
        "coalesce(sum(cut), 0), "
        "coalesce(sum(prompt_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(completion_tokens), 0), "
        "coalesce(sum(reasoning_tokens), 0) FROM generations"
    )[0]
    ((total,),) = record.query("SELECT count(*) FROM questions")
    missing = Missing.of(record)
    failed = record.query(
        "SELECT error FROM generations WHERE error IS NOT NULL AND tries > 0 ORDER BY started DESC LIMIT 1"
    )
    return Summary(
        method=method.get("name", ""),
        n=method.get("n", 0),
        k=method.get("k"),
        t=method.get("t", 0),
        model=record.configuration.get("model", ""),
        record=record.path,
        questions=tallies.questions,
        questions_total=total,
        populations=tallies.populations(),
        answer_accuracy=tallies.answer_accuracy(),
        answer_replied=tallies.answer_replied(),
        missing=missing,
        sampling=record.configuration.get("sampling", {}),
        calls=calls,
        usage=Usage(prompt, cached, completion, reasoning, missing.without_usage),
        seconds=record.seconds,
        failures=failures,
        skipped=skipped,
        shortened=shortened,
        copies=copies,
        depth=tallies.depth,
        stopped=tallies.stopped,
        adaptive={name: method[name] for name in ADAPTIVE if name in method},
        last_failure=failed[0][0] if failed else None,
    )


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """The questions of one task or subject.

    Attributes:
        group: Its name; ``""`` for questions without one.
        questions: Its questions that are done.
        populations: One entry a population.
        answer_accuracy: Accuracy of the method's own answer; None without gold answers.
    """

    group: str
    questions: int
    populations: Sequence[PopulationSummary]
    answer_accuracy: Estimate | None


def summarise_groups(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> list[GroupSummary]:
    """Summarise a run task by task, in the order of the tasks' names; ``questions`` as in `summarise`."""
    groups = {position: question.group for position, question in record.numbered()}
    tallies: dict[str, Tallies] = {}
    for question in questions or answered(record):
        tallies.setdefault(groups[question.position], Tallies()).add(question)
    return [
        GroupSummary(group, tally.questions, tally.populations(), tally.answer_accuracy())
        for group, tally in sorted(tallies.items())
    ]
