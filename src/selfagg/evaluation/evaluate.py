"""`evaluate` and `aevaluate`: a method on many questions, every member computed and scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Unpack

from selfagg._internal.arguments import check_paths
from selfagg._internal.blocking import synchronous
from selfagg._internal.extras import extras_named
from selfagg.analysis.costs import Cost, costs_by_population
from selfagg.analysis.member_outcomes import QuestionOutcome
from selfagg.analysis.missing import Missing
from selfagg.analysis.statistics import Estimate
from selfagg.analysis.summary import PopulationSummary, Summary, summarise
from selfagg.api import (
    MethodSettings,
    Population,
    checked,
    checked_questions,
    chosen_method,
    opened_model,
    settings_named,
)
from selfagg.benchmarks.base import Size
from selfagg.benchmarks.given import Questions
from selfagg.errors import UsageError
from selfagg.evaluation.runs import run_method
from selfagg.record.record import Record
from selfagg.types import Question, Usage


@dataclass(frozen=True)
class EvaluatedQuestion:
    """One question of an evaluation.

    Attributes:
        question: The question.
        populations: The members that were computed, population by population; each maps a place to its member.
        weights: The chance of each member of the last population to be the answer; None while the question is not
            done.
    """

    question: Question
    populations: Sequence[Population]
    weights: Sequence[float] | None


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`, or of a record that `analyze` or `replay` reads.

    Attributes:
        summary: All numbers of the run; the properties below are the most wanted of them.
        costs: Mean costs of a question up to each population.
        record: The record's file; None if it was kept in memory.
    """

    summary: Summary
    costs: Sequence[Cost]
    record: Path | None
    _kept: Sequence[EvaluatedQuestion] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, record: Record, questions: Iterable[QuestionOutcome] | None = None) -> Evaluation:
        """Return the evaluation that an open record holds; texts of a file are read when they are asked for.

        ``questions`` is `answered` of it, where that is there already.
        """
        with extras_named():
            kept = list(_evaluated(record)) if record.path is None else None
            return cls(summarise(record, questions), costs_by_population(record), record.path, kept)

    @property
    def populations(self) -> Sequence[PopulationSummary]:
        """Return accuracy, pass@N, majority and the like of each population, with intervals."""
        return self.summary.populations

    @property
    def answer(self) -> Estimate | None:
        """Return the accuracy of the method's own answer (mean, low, high: 95 %); None without gold answers."""
        return self.summary.answer_accuracy

    @property
    def usage(self) -> Usage:
        """Return the tokens of all calls."""
        return self.summary.usage

    @property
    def missing(self) -> Missing:
        """Return the missing parts of the run: members without a reply or a score, replies without a token count."""
        return self.summary.missing

    @cached_property
    def questions(self) -> Sequence[EvaluatedQuestion]:
        """Return every question with its members; read from the record's file at first use."""
        if self._kept is not None:
            return self._kept
        with Record(self.record, read_only=True) as record:
            return list(_evaluated(record))

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg eval --json`` prints."""
        return self.summary.as_json()

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame`` with one row for each member; raise UsageError if pandas is not installed."""
        with extras_named():
            pandas = import_module("pandas")
        return pandas.DataFrame([row for question in self.questions for row in _rows(question)])


def _evaluated(record: Record) -> Iterator[EvaluatedQuestion]:
    for position, question in enumerate(record.questions()):
        members = record.members(position).values()
        last = max((member.t for member in members), default=0)
        populations = [
            Population(t, {member.i: member for member in members if member.t == t}) for t in range(1, last + 1)
        ]
        yield EvaluatedQuestion(question, populations, record.weights(position))


def _rows(evaluated: EvaluatedQuestion) -> Iterator[Mapping[str, Any]]:
    question, last = evaluated.question, len(evaluated.populations)
    for population in evaluated.populations:
        for i, member in population.items():
            reply = member.reply
            known = reply is not None and not reply.usage.unknown
            yield {
                "question": question.id,
                "group": question.group,
                "gold": question.gold,
                "t": population.t,
                "i": i,
                "parents": member.parents,
                "copy": member.copied,
                "answer": member.answer,
                "score": member.score,
                "weight": evaluated.weights[i] if evaluated.weights and population.t == last else None,
                "text": reply.text if reply else None,
                "reasoning": reply.reasoning if reply else None,
                "stop": reply.stop.value if reply else None,
                "error": member.error,
                "prompt_tokens": reply.usage.prompt if reply and known else None,
                "completion_tokens": reply.usage.completion if reply and known else None,
                "seconds": reply.seconds if reply else None,
            }


@settings_named(MethodSettings)
async def aevaluate(
    questions: Questions,
    *,
    size: Size = None,
    record: str | Path | None = None,
    shard: tuple[int, int] | None = None,
    **settings: Unpack[MethodSettings],
) -> Evaluation:
    """Evaluate a method on questions: compute and score every member of every population.

    The paper's protocol (arXiv 2509.26626, section 5): accuracy of each population, failed calls counted as wrong.

    Args:
        questions: A source (``aime25``, ``reasoning_gym:TASK``, a file), or a list of `Question`, of dictionaries with
            the columns of a file (``question``, ``answer``, ``kind``, ...), or of texts.
        size: Number of questions to take; None: the source's own default, or all of a list.
        record: A file that keeps every generation, so that the same call goes on where it stopped; None: memory.
        shard: ``(i, n)``: only every n-th question, from the i-th (from 1) on, for a run split into n jobs; `merge`
            makes their records one. None: all.
        **settings: See `MethodSettings` and `RunSettings`.

    Returns:
        Populations, the method's own answer, costs, and every question with its members.

    Raises:
        UsageError: A setting cannot work, a package is missing, or the model cannot be reached.
        RunStopped: The model is gone; what was finished is in the record.
    """
    run = checked(settings, MethodSettings)
    check_paths(record=record)
    i, jobs = shard or (1, 1)
    if not 1 <= i <= jobs:
        raise UsageError(f"shard = {shard}, but it is (i, n) with i from 1 to n")
    method = chosen_method(run, answer=run.get("answer"))
    asked = checked_questions(run, questions, size)
    async with opened_model(run) as model:
        with Record(Path(record) if record is not None else None) as written:
            await run_method(method, model, asked, run, written, only=range(i - 1, len(asked.questions), jobs))
            return Evaluation.of(written)


evaluate = synchronous(aevaluate)
