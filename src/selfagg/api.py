"""`solve` and `asolve`: one question in, one better answer out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from selfagg._internal.arguments import RunArguments, check_amounts, check_times, check_whole, check_words
from selfagg._internal.blocking import blocking
from selfagg.errors import UsageError
from selfagg.types import KINDS, Kind, Member, Question, Sampling, Usage

if TYPE_CHECKING:
    from selfagg.analysis.missing import Missing
    from selfagg.methods import Method
    from selfagg.models import Model
    from selfagg.prompts.wording import Wording
    from selfagg.run.engine import Callback
    from selfagg.run.question_run import QuestionRun
    from selfagg.run.runner import Choice, Schedule
    from selfagg.scoring.given import GivenScorer


@dataclass(frozen=True)
class Population(Mapping[int, Member]):
    """The members of one population that were computed, by their place.

    Where only one member of the last population was asked for, only its ancestors are there.

    Attributes:
        t: Number of the population; 1 is the first.
    """

    t: int
    members: Mapping[int, Member]

    def __getitem__(self, i: int) -> Member:
        return self.members[i]

    def __iter__(self) -> Iterator[int]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)


@dataclass(frozen=True)
class Result:
    r"""The result of `solve`.

    Attributes:
        answer: The final answer read from the response (what stands in its last ``\boxed{}``, say), or None if it
            gives none.
        text: The response.
        member: The member whose response it is.
        populations: The computed members: ``populations[0]`` is the first population; each maps a member's place to
            the member, with parents and reply.
        method: The method, with its settings.
        calls: Calls to the model.
        copies: Members that were copied from a set whose candidates agree, without a call.
        stopped: True if a population before the last one agreed, and is the last by the method's rule.
        usage: Tokens of all calls; ``usage.unknown`` of the calls told none. A budget counts these by estimate.
        cut_short: True if a budget or deadline ended the work early, so that this is the best answer at hand.
        record: The record's file, or None if it was kept in memory.
        missing: Missing parts of the work: members without a reply, replies without a count of tokens.
    """

    answer: str | None
    text: str
    member: Member
    populations: list[Population]
    method: Method
    calls: int
    usage: Usage
    cut_short: bool
    record: Path | None
    missing: Missing
    copies: int = 0
    stopped: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg solve --json`` prints."""
        from selfagg.analysis.missing import usage_json

        return {
            "answer": self.answer,
            "text": self.text,
            "method": self.method.name,
            "n": self.method.n,
            "k": getattr(self.method, "k", None),
            "t": self.method.t,
            "calls": self.calls,
            "copies": self.copies,
            "depth": self.member.t,
            "stopped": self.stopped,
            "usage": usage_json(self.usage, self.missing.replies),
            "failed": self.missing.failed,
            "cut_short": self.cut_short,
            "record": None if self.record is None else str(self.record),
        }


async def asolve(
    question: str | Question,
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
    kind: Kind = "text",
    candidate: str = "response",
    sampling: Sampling | None = None,
    seed: int = 1234,
    schedule: Schedule = "free",
    concurrency: int | None = None,
    max_total_tokens: int | None = None,
    deadline_s: float | None = None,
    patience_s: float | None = None,
    record: str | Path | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    timeout_s: float | None = None,
    scorer: GivenScorer | None = None,
    wording: Wording | None = None,
    callback: Callback | None = None,
    about: Mapping[str, Any] | None = None,
) -> Result:
    r"""Answer one question by Recursive Self-Aggregation or another method (arXiv 2509.26626).

    Args:
        question: The problem's text, or a `Question` with more to say.
        model: A model's name (``local``, ``openai:NAME``, ...) or an open connection, which stays open.
        method: A method with its sizes, as ``selfagg.RSA(n=8, k=4, t=3)``, or a name: ``rsa``, ``single``,
            ``majority``, ``self-refine``, ...
        n: Members of a population; None: the method's own default, 16 for RSA.
        k: Candidates of an aggregation set; None: 4.
        t: Populations, the first included; None: 10.
        order: ``random`` or ``prefix``; see `selfagg.methods.RSA`.
        stop: ``never``, ``unanimous`` or ``share:X``: when a population is the last; see `selfagg.RSA`.
        copy: True if a set whose candidates all give one answer is copied instead of aggregated.
        answer: ``sample``: a member of the last population, drawn uniformly; only its ancestors are computed.
            ``majority``: the last population votes. None: the method's own; else a vote where answers compare, a
            drawn member for free text and programs.
        kind: The kind of the question, which decides wording and reading of the answer: ``math`` and ``choice``
            in ``\boxed{}``, ``reasoning_gym`` in <answer> tags, ``code`` in a code block, ``text`` the whole response.
        candidate: The part of a candidate that is shown: ``response``, ``reasoning``, ``answer`` or ``tail:TOKENS``.
        sampling: Temperature (1.0 by default), token limit and the like.
        seed: Decides the aggregation sets, and the seeds sent to the model.
        schedule: ``free``, or ``stepwise`` to wait for whole populations.
        concurrency: Most calls at once; None: what the connection serves well.
        max_total_tokens: Prompt and completion tokens after which the best answer at hand is taken.
        deadline_s: Seconds after which the best answer at hand is taken.
        patience_s: Seconds to wait for an ``openai:`` server that limits the rate, loads or is gone, while it answers
            nobody. 300 by default. For a model's name; an open connection has its own.
        record: A file that keeps every generation, so that the same call goes on where it stopped; None: memory.
        base_url: Base URL of the model's server. For a model's name, as the next two.
        api_key: The key for the server; None: the environment's ``OPENAI_API_KEY``.
        timeout_s: Longest wait for one reply, in seconds; None: an hour.
        scorer: Reads, scores and compares answers; see `selfagg.evaluate`. None: by the question's kind.
        wording: The words of the prompts; None: `selfagg.Wording`, our own.
        callback: Told of each member as it comes; see `selfagg.Callback`.
        about: Further facts that the record keeps and does not compare.

    Returns:
        Answer, text, and how they came about.

    Raises:
        UsageError: A setting cannot work, or the model cannot be reached.
        ModelError: No call gave a reply.
    """
    from selfagg.methods import method_given
    from selfagg.record.configuration import about as circumstances
    from selfagg.record.configuration import configuration
    from selfagg.record.record import Record
    from selfagg.run.engine import Engine
    from selfagg.run.question_run import QuestionRun
    from selfagg.run.runner import Choice, check_comparable, default_answer
    from selfagg.run.runner import answer as answer_trial

    check_words({"kind": (kind, KINDS)} | ({"answer": (answer, get_args(Choice))} if answer is not None else {}))
    check_whole(n=n, k=k, t=t, max_total_tokens=max_total_tokens)
    check_amounts(max_total_tokens=max_total_tokens)
    check_times(sampling or Sampling(), deadline_s=deadline_s)
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
    asked = question if isinstance(question, Question) else Question("question", _text(question), kind=kind)
    chosen = method_given(method, n=n, k=k, t=t, order=order, stop=stop, copy=copy)
    settings = run.settings()
    check_comparable(chosen, asked, settings)
    choice = answer or default_answer(chosen, asked, settings)
    async with run.opened() as connection:
        with Record(Path(record) if record is not None else None) as written:
            known = circumstances(context=connection.context, **(about or {}))
            written.begin(configuration(chosen, connection.name, settings, "solve"), [asked], known)
            engine = Engine(connection, settings, written, concurrency=concurrency, callback=callback)
            question_run = QuestionRun(engine, asked, 0, chosen, max_total_tokens=max_total_tokens)
            engine.callback.started(written)
            try:
                await question_run.load()
                outcome = await answer_trial(question_run, choice=choice, schedule=schedule, deadline_s=deadline_s)
                await question_run.scored()
                engine.callback.finished(0)
            finally:
                engine.callback.ended()
                await question_run.close()
                await engine.close()
            return _result(question_run, chosen, outcome.member, outcome.cut_short, written.path)


def _text(question: object) -> str:
    if not isinstance(question, str):
        raise UsageError(f"the question must be text or a Question, not {type(question).__name__}")
    if any("\ud800" <= character <= "\udfff" for character in question):
        raise UsageError("the question holds half a surrogate pair, which is no character")
    return question


def _result(question_run: QuestionRun, method: Method, member: Member, cut_short: bool, record: Path | None) -> Result:
    from selfagg.analysis.missing import Missing

    member = question_run.members[member.t, member.i]
    made = question_run.members.values()
    failed = sum(one.reply is None for one in made)
    missing = Missing(len(made), failed, replies=question_run.replies, without_usage=question_run.usage.unknown)
    populations = [
        Population(t, {i: question_run.members[t, i] for i in range(method.size(t)) if (t, i) in question_run.members})
        for t in range(1, method.t + 1)
    ]
    return Result(
        answer=member.answer,
        text=member.text,
        member=member,
        populations=populations,
        method=method,
        calls=question_run.calls,
        copies=question_run.copies,
        stopped=question_run.stopped.done() and not cut_short,
        usage=question_run.usage,
        cut_short=cut_short,
        record=record,
        missing=missing,
    )


def solve(question: str | Question, **settings: Any) -> Result:
    """Answer one question, as `asolve` does, in code that is not asynchronous; a notebook too.

    Takes the arguments of `asolve`, returns and raises the same.
    """
    return blocking(lambda: asolve(question, **settings))
