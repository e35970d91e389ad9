"""`solve` and `asolve`: one question in, one better answer out; and the settings that all such functions share."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, get_args

from selfagg._internal.arguments import (
    check_amounts,
    check_model,
    check_paths,
    check_times,
    check_type,
    check_whole,
    check_words,
)
from selfagg._internal.blocking import synchronous
from selfagg._internal.extras import extras_named
from selfagg.analysis.missing import Missing, usage_json
from selfagg.errors import UsageError
from selfagg.methods import Method, method_given
from selfagg.models import Access, Model, opened
from selfagg.prompts.prompt import candidate_format_named
from selfagg.prompts.wording import Wording
from selfagg.record.configuration import about, configuration
from selfagg.record.record import Record
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.question_run import QuestionRun
from selfagg.run.runner import Choice, QuestionResult, Schedule, check_comparable, default_answer
from selfagg.run.runner import answer as answer_question
from selfagg.scoring.given import GivenScorer, scorer_given
from selfagg.types import KINDS, Kind, Member, Question, Sampling, Usage

if TYPE_CHECKING:
    from selfagg.benchmarks.base import Size
    from selfagg.benchmarks.given import Questions, QuestionSet

F = TypeVar("F", bound=Callable[..., Any])


class RunSettings(TypedDict, total=False):
    """The settings that `solve`, `evaluate`, `compare` and `sweep` share.

    Attributes:
        model: A model's name (``local``, ``openai:NAME``, ...) or an open connection, which stays open.
        candidate: Part of a candidate that is shown: ``response``, ``reasoning``, ``answer`` or ``tail:TOKENS``.
        sampling: Temperature (1.0 by default), token limit and the like.
        seed: Decides the aggregation sets, and the seeds sent to the model.
        schedule: ``free``, or ``stepwise`` to wait for whole populations.
        scorer: A function ``(question, text) -> score``, async or not, that returns a number from 0 to 1, a bool or a
            `Verdict`; or an object with ``answer``, ``same`` and, where it likes, ``score``; or a registered name.
            None: by the question's kind.
        wording: The words of the prompts; None: `selfagg.Wording`, our own.
        base_url: Base URL of the model's server. For a model's name, as the next three.
        api_key: The key for the server; None: the environment's ``OPENAI_API_KEY``.
        timeout_s: Longest wait for one reply, in seconds; None: an hour.
        patience_s: Seconds to wait for an ``openai:`` server that limits the rate, loads or is gone, while it answers
            nobody; None: 300.
        concurrency: Most calls at once; None: what the connection serves well.
        callback: Told of each member as it comes; see `selfagg.Callback`.
        about: Further facts that the record keeps and does not compare.
    """

    model: str | Model
    candidate: str
    sampling: Sampling | None
    seed: int
    schedule: Schedule
    scorer: GivenScorer | None
    wording: Wording | None
    base_url: str | None
    api_key: str | None
    timeout_s: float | None
    patience_s: float | None
    concurrency: int | None
    callback: Callback | None
    about: Mapping[str, Any] | None


class MethodSettings(RunSettings, total=False):
    """The settings that `solve` and `evaluate` share.

    Attributes:
        method: A method with its sizes, as ``selfagg.RSA(n=8, k=4, t=3)``, or a name: ``rsa``, ``single``,
            ``majority``, ``self-refine``, ...
        n: Members of a population; None: the method's own default, 16 for RSA. For a method's name, as the next five.
        k: Candidates of an aggregation set; None: 4.
        t: Populations, the first included; None: 10.
        order: ``random`` or ``prefix``; see `selfagg.RSA`.
        stop: ``never`` (the default), ``unanimous`` or ``share:X``; for ``majority`` ``decided`` or ``asc:X``: when a
            question is done early; see `selfagg.RSA`.
        copy: True if a set whose candidates all give one answer is copied instead of aggregated.
        answer: ``sample``: a member of the last population, drawn uniformly; `solve` computes only its ancestors.
            ``majority``: the last population votes. None: the method's own; else `solve` votes where answers compare
            and draws a member for free text and programs.
    """

    method: str | Method
    n: int | None
    k: int | None
    t: int | None
    order: str | None
    stop: str | None
    copy: bool | None
    answer: Choice | None


DEFAULTS = MethodSettings(model="local", candidate="response", seed=1234, schedule="free", method="rsa")


def settings_named(kind: Any) -> Callable[[F], F]:
    """Write the settings that a function takes as ``**settings`` into its signature and its docstring, for ``help``."""
    kinds = dict.fromkeys((RunSettings, kind))
    told = "".join(inspect.cleandoc(one.__doc__ or "").partition("Attributes:")[2].rstrip() for one in kinds)

    def name(function: F) -> F:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        more = [
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, default=DEFAULTS.get(key), annotation=hint.__forward_arg__
            )
            for key, hint in kind.__annotations__.items()
        ]
        function.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        entries = indent(told.strip("\n"), "    ")
        function.__doc__ = re.sub(r" +\*\*settings: .*", lambda _: entries, function.__doc__ or "")
        return function

    return name


def checked(given: Mapping[str, Any], kind: Any = RunSettings) -> MethodSettings:
    """Return settings with their defaults; raise TypeError for an unknown one, UsageError if one cannot work."""
    if unknown := [name for name in given if name not in kind.__annotations__]:
        raise TypeError(f"there is no argument {unknown[0]!r}")
    run = MethodSettings(**{**DEFAULTS, **given})  # type: ignore[typeddict-item]
    check_words({"schedule": (run["schedule"], get_args(Schedule))})
    check_whole(**{name: given.get(name) for name in ("n", "k", "t", "seed")})
    check_amounts(concurrency=run.get("concurrency"))
    check_type(Sampling, sampling=run.get("sampling"))
    check_type(Wording, wording=run.get("wording"))
    check_type(Callback, callback=run.get("callback"))
    seconds = {name: given.get(name) for name in ("timeout_s", "patience_s")}
    check_times(run.get("sampling") or Sampling(), **seconds)
    check_model(run["model"], base_url=run.get("base_url"), api_key=run.get("api_key"), **seconds)
    candidate_format_named(run["candidate"])
    return run


def chosen_method(run: MethodSettings, *, answer: Choice | None = None) -> Method:
    """Return the method of checked settings, without the choice of the answer but for ``answer``."""
    sizes = {name: run.get(name) for name in ("n", "k", "t", "order", "stop", "copy")}
    return method_given(run["method"], **sizes, answer=answer)


def engine_settings(run: RunSettings) -> Settings:
    """Return the sampling and the scoring of checked settings; raise UsageError if the scorer is unknown."""
    sampling, wording = run.get("sampling") or Sampling(), run.get("wording") or Wording()
    return Settings(sampling, run["seed"], run["candidate"], wording, scorer_given(run.get("scorer")))


def opened_model(run: RunSettings) -> AbstractAsyncContextManager[Model]:
    """Give the model of checked settings, ready to sample."""
    urls = tuple(filter(None, [run.get("base_url")]))
    keys = ("api_key", "concurrency", "timeout_s", "patience_s")
    return opened(run["model"], Access(urls, **{key: run.get(key) for key in keys}))  # type: ignore[arg-type]


def checked_questions(run: RunSettings, questions: Questions, size: Size = None) -> QuestionSet:
    """Return the questions, before a token is paid for, or UsageError: packages and a sandbox are there."""
    with extras_named():
        import numpy  # noqa: F401
        import scipy  # noqa: F401

        from selfagg.benchmarks.given import question_set

        asked = question_set(questions, size=size)
    if run.get("scorer") is None and any(question.kind == "code" for question in asked.questions):
        from selfagg.scoring.code import find_sandbox

        find_sandbox()
    return asked


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


@settings_named(MethodSettings)
async def asolve(
    question: str | Question,
    *,
    kind: Kind = "text",
    max_total_tokens: int | None = None,
    deadline_s: float | None = None,
    record: str | Path | None = None,
    **settings: Unpack[MethodSettings],
) -> Result:
    r"""Answer one question by Recursive Self-Aggregation or another method (arXiv 2509.26626).

    Args:
        question: The problem's text, or a `Question` with more to say.
        kind: The kind of the question, which decides wording and reading of the answer: ``math`` and ``choice``
            in ``\boxed{}``, ``reasoning_gym`` in <answer> tags, ``code`` in a code block, ``text`` the whole response.
        max_total_tokens: Prompt and completion tokens after which the best answer at hand is taken.
        deadline_s: Seconds after which the best answer at hand is taken.
        record: A file that keeps every generation, so that the same call goes on where it stopped; None: memory.
        **settings: See `MethodSettings` and `RunSettings`.

    Returns:
        Answer, text, and how they came about.

    Raises:
        UsageError: A setting cannot work, or the model cannot be reached.
        ModelError: No call gave a reply.
    """
    run = checked(settings, MethodSettings)
    own = run.get("answer")
    check_words({"kind": (kind, KINDS)} | ({"answer": (own, get_args(Choice))} if own is not None else {}))
    check_amounts(max_total_tokens=max_total_tokens)
    check_times(Sampling(), deadline_s=deadline_s)
    check_paths(record=record)
    asked = question if isinstance(question, Question) else Question("question", _text(question), kind=kind)
    method, sampled = chosen_method(run), engine_settings(run)
    check_comparable(method, asked, sampled)
    choice = own or default_answer(method, asked, sampled)
    async with opened_model(run) as model:
        with Record(Path(record) if record is not None else None) as written:
            known = about(context=model.context, **(run.get("about") or {}))
            written.begin(configuration(method, model.name, sampled, "solve"), [asked], known)
            engine = Engine(model, sampled, written, concurrency=run.get("concurrency"), callback=run.get("callback"))
            work = QuestionRun(engine, asked, 0, method, max_total_tokens=max_total_tokens)
            engine.callback.started(written)
            try:
                await work.load()
                found = await answer_question(work, choice=choice, schedule=run["schedule"], deadline_s=deadline_s)
                await work.scored()
                engine.callback.finished(0)
            finally:
                engine.callback.ended()
                await work.close()
                await written.drain()
            return _result(work, found, written.path)


def _text(question: object) -> str:
    if not isinstance(question, str):
        raise UsageError(f"the question must be text or a Question, not {type(question).__name__}")
    if any("\ud800" <= character <= "\udfff" for character in question):
        raise UsageError("the question holds half a surrogate pair, which is no character")
    return question


def _result(work: QuestionRun, found: QuestionResult, record: Path | None) -> Result:
    method, members, answer = work.method, work.members, found.member
    member, failed = members[answer.t, answer.i], sum(one.reply is None for one in members.values())
    return Result(
        answer=member.answer,
        text=member.text,
        member=member,
        populations=[
            Population(t, {i: members[t, i] for i in range(method.size(t)) if (t, i) in members})
            for t in range(1, method.t + 1)
        ],
        method=method,
        calls=work.calls,
        copies=work.copies,
        stopped=work.stopped.done() and not found.cut_short,
        usage=work.usage,
        cut_short=found.cut_short,
        record=record,
        missing=Missing(len(members), failed, replies=work.replies, without_usage=work.usage.unknown),
    )


solve = synchronous(asolve)
