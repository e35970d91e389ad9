"""`evaluate` and `aevaluate`: a method on many questions, every member computed and scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfagg._internal.arguments import RunArguments, check_whole
from selfagg._internal.blocking import blocking
from selfagg._internal.extras import extras_named
from selfagg.api import Population
from selfagg.errors import UsageError
from selfagg.types import Question, Sampling, Usage

if TYPE_CHECKING:
    from selfagg.analysis.costs import Cost
    from selfagg.analysis.member_outcomes import QuestionOutcome
    from selfagg.analysis.missing import Missing
    from selfagg.analysis.statistics import Estimate
    from selfagg.analysis.summary import PopulationSummary, Summary
    from selfagg.benchmarks.base import Size
    from selfagg.benchmarks.given import Questions
    from selfagg.methods import Method
    from selfagg.models import Model
    from selfagg.prompts.wording import Wording
    from selfagg.record.record import Record
    from selfagg.run.engine import Callback
    from selfagg.run.runner import Choice, Schedule
    from selfagg.scoring.given import GivenScorer


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

        Args:
            record: The record.
            questions: `answered` of it, where that is there already.

        Raises:
            UsageError: A package of the extra ``eval`` is missing.
        """
        with extras_named():
            from selfagg.analysis.costs import costs_by_population
            from selfagg.analysis.summary import summarise

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
        from selfagg.record.record import Record

        with Record(self.record, read_only=True) as record:
            return list(_evaluated(record))

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg eval --json`` prints."""
        return self.summary.as_json()

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame`` with one row for each member.

        Raises:
            UsageError: pandas is not installed.
        """
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


async def aevaluate(
    questions: Questions,
    *,
    model: str | Model = "local",
    method: str | Method = "rsa",
    n: int | None = None,
    k: int | None = None,
    t: int | None = None,
    order: str | None = None,
    stop: str | None = None,
    copy: bool | None = None,
    answer: Choice | None = None,
    candidate: str = "response",
    sampling: Sampling | None = None,
    seed: int = 1234,
    schedule: Schedule = "free",
    size: Size = None,
    scorer: GivenScorer | None = None,
    wording: Wording | None = None,
    record: str | Path | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    timeout_s: float | None = None,
    patience_s: float | None = None,
    concurrency: int | None = None,
    callback: Callback | None = None,
    shard: tuple[int, int] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Evaluate a method on questions: compute and score every member of every population.

    The paper's protocol (arXiv 2509.26626, section 5): accuracy of each population, failed calls counted as wrong.

    Args:
        questions: A source (``aime25``, ``reasoning_gym:TASK``, a file), or a list of `Question`, of dictionaries with
            the columns of a file (``question``, ``answer``, ``kind``, ...), or of texts.
        model: A model's name (``local``, ``openai:NAME``, ...) or an open connection, which stays open.
        method: A method with its sizes, as ``selfagg.RSA(n=8, k=4, t=3)``, or a method's name.
        n: Members of a population; None: the method's default, 16 for RSA. For a method's name, as the next three.
        k: Candidates of an aggregation set; None: 4.
        t: Populations, the first included; None: 10.
        order: ``random`` or ``prefix``; see `selfagg.RSA`.
        stop: ``never`` (the default), ``unanimous`` or ``share:X``; for ``majority`` ``decided`` or ``asc:X``: when a
            question is done early; see `selfagg.RSA`.
        copy: True if a set whose candidates all give one answer is copied instead of aggregated.
        answer: ``sample`` or ``majority``: which member of the last population is RSA's answer; None: ``sample``.
        candidate: Part of a candidate that is shown: ``response``, ``reasoning``, ``answer`` or ``tail:TOKENS``.
        sampling: Temperature (1.0 by default), token limit and the like.
        seed: Decides the aggregation sets, and the seeds sent to the model.
        schedule: ``free``, or ``stepwise`` to wait for whole populations.
        size: Number of questions to take; None: the source's own default, or all of a list.
        scorer: A function ``(question, text) -> score``, async or not, that returns a number from 0 to 1, a bool or a
            `Verdict`; or an object with ``answer``, ``same`` and, where it likes, ``score``; or a registered name.
            None: by kind.
        wording: The words of the prompts; None: our own.
        record: A file that keeps every generation, so that the same call goes on where it stopped; None: memory.
        base_url: Base URL of the model's server. For a model's name, as the next three.
        api_key: The key for the server; None: the environment's ``OPENAI_API_KEY``.
        timeout_s: Longest wait for one reply, in seconds; None: an hour.
        patience_s: Seconds to wait for a server that answers nobody; None: 300.
        concurrency: Most calls at once; None: what the connection serves well.
        callback: Told of each member as it comes; see `Callback`.
        shard: ``(i, n)``: only every n-th question, from the i-th (from 1) on, for a run split into n jobs; `merge`
            makes their records one. None: all.
        about: Further facts that the record keeps and does not compare.

    Returns:
        Populations, the method's own answer, costs, and every question with its members.

    Raises:
        UsageError: A setting cannot work, a package is missing, or the model cannot be reached.
        RunStopped: The model is gone; what was finished is in the record.
    """
    from selfagg.methods import method_given
    from selfagg.record.configuration import about as circumstances
    from selfagg.record.configuration import configuration
    from selfagg.record.record import Record
    from selfagg.run.engine import Engine
    from selfagg.run.runner import evaluate as evaluate_all

    check_whole(n=n, k=k, t=t)
    i, jobs = shard or (1, 1)
    if not 1 <= i <= jobs:
        raise UsageError(f"shard = {shard}, but it is (i, n) with i from 1 to n")
    run = RunArguments(
        model=model,
        candidate=candidate,
        sampling=sampling,
        seed=seed,
        schedule=schedule,
        scorer=scorer,
        wording=wording,
        base_url=base_url,
        api_key=api_key,
        timeout_s=timeout_s,
        patience_s=patience_s,
        concurrency=concurrency,
    )
    chosen, settings = (
        method_given(method, n=n, k=k, t=t, order=order, stop=stop, copy=copy, answer=answer),
        run.settings(),
    )
    asked = run.questions(questions, size)
    async with run.opened() as connection:
        with Record(Path(record) if record is not None else None) as written:
            known = circumstances(context=connection.context, **(about or {}))
            written.begin(configuration(chosen, connection.name, settings, asked.source), asked.questions, known)
            engine = Engine(connection, settings, written, concurrency=concurrency, callback=callback)
            only = range(i - 1, len(asked.questions), jobs)
            await evaluate_all(engine, chosen, asked.questions, schedule=schedule, only=only)
            return Evaluation.of(written)


def evaluate(questions: Questions, **settings: Any) -> Evaluation:
    """Evaluate a method on questions, as `aevaluate` does, in code that is not asynchronous; a notebook too.

    Takes the arguments of `aevaluate`, returns and raises the same.
    """
    return blocking(lambda: aevaluate(questions, **settings))
