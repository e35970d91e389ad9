"""Methods at one budget, and what they would cost: their sizes, the matching of calls or tokens, estimates of runs."""

from __future__ import annotations

import dataclasses
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal, get_args

from selfagg._internal.arguments import check_amounts, check_words, pairs
from selfagg.analysis.costs import Cost, costs_by_question, mean_cost
from selfagg.analysis.missing import UNTOLD, Missing
from selfagg.benchmarks.base import Size
from selfagg.benchmarks.given import Questions, QuestionSet, question_set
from selfagg.errors import UsageError
from selfagg.methods import RSA, Majority, Method, SelfRefine, method_class, method_given, method_named
from selfagg.models.base import text_bytes
from selfagg.prompts import aggregation, first, verification
from selfagg.prompts.fit import DEFAULT_MAX_TOKENS
from selfagg.prompts.prompt import Prompt
from selfagg.record.record import Record
from selfagg.run.stopping import rule_named
from selfagg.types import Member, Question, Sampling

Match = Literal["calls", "tokens", "none"]
Preset = Literal["paper", "quick"]
"""Settings by one word: the paper's, or small ones to try a thing out. Settings that the user names come first."""

COMPARED = (RSA.name, Majority.name, SelfRefine.name)
"""The methods that are compared where none is named."""

SIZES: Mapping[Preset, Mapping[str, int]] = {"paper": {"n": 16, "k": 4, "t": 10}, "quick": {"n": 4, "k": 2, "t": 3}}
PAPER_EFFORT = "medium"
"""Reasoning effort that the paper asks gpt-oss for."""

LARGEST = 1_000_000
"""A size beyond any budget, to search below."""

JUDGEMENT_TOKENS = 10
"""Most tokens of a verdict or a grade."""

BYTES_PER_TOKEN = 4
"""The assumed bytes of a token of a prompt, as English text has it in common vocabularies."""


def applicable(method: type[Method], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some settings, meant for several methods, that a method can take."""
    if method.own_sizes:
        return {}
    known = {field.name for field in dataclasses.fields(method)} - ({"t"} if method.grows != "t" else set())
    return {key: value for key, value in settings.items() if key in known}


def preset_sizes(preset: Preset | None, method: type[Method]) -> dict[str, Any]:
    """Return a method's sizes; one that chooses among samples of one population gets all N x T, as in the paper."""
    if preset is None:
        return {}
    sizes = SIZES[preset]
    return {"n": sizes["n"] * sizes["t"]} if method.grows == "n" and not method.uniform else applicable(method, sizes)


def sized_method(name: str, preset: Preset | None = None, given: Mapping[str, Any] | None = None) -> Method:
    """Return a method with a preset's sizes where no other is given; raise UsageError if that cannot be."""
    return method_named(name, **{**preset_sizes(preset, method_class(name)), **(given or {})})


def preset_sampling(preset: Preset | None, sampling: Sampling, model: str) -> Sampling:
    """Return a sampling with the preset's token limit and effort where none is given; all else is the paper's."""
    if preset != "paper":
        return sampling
    return dataclasses.replace(
        sampling,
        max_tokens=sampling.max_tokens or DEFAULT_MAX_TOKENS,
        reasoning_effort=sampling.reasoning_effort or (PAPER_EFFORT if "gpt-oss" in model.lower() else None),
    )


@dataclass(frozen=True, slots=True)
class Contender:
    """A method of a comparison, with its sizes before budgets are matched; ``fixed`` if the user has said its size."""

    method: Method
    fixed: bool


def contenders(
    methods: Sequence[str | Method], given: Mapping[str, Any] | None = None, preset: Preset | None = None
) -> list[Contender]:
    """Return the methods, the reference first: RSA if it is among them, else the first.

    A name takes those of the given settings that it has, else the preset's, but ``NAME:n=8:k=2`` spells its own out; a
    method keeps its sizes. UsageError is raised where that cannot be, or one method is named twice.
    """
    kinds: list[type[Method]] = [
        RSA,
        *(method_class(one.strip().partition(":")[0]) for one in methods if isinstance(one, str)),
    ]
    settings = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    for name in given or {}:
        check_words({"a name in sizes": (name, sorted(settings))})
    found = [_contender(one, given or {}, preset) for one in methods]
    if not found:
        raise UsageError("there is no method to compare")
    for place, one in enumerate(found):
        if any(one.method == other.method for other in found[:place]):
            raise UsageError(f"{one.method.name} is named twice with the same settings")
    reference = next((one for one in found if one.method.name == RSA.name), found[0])
    return [reference, *(one for one in found if one is not reference)]


def _contender(spelled: str | Method, given: Mapping[str, Any], preset: Preset | None) -> Contender:
    if not isinstance(spelled, str):
        return Contender(method_given(spelled), fixed=True)
    name, _, rest = spelled.strip().partition(":")
    words = re.split(r":(?=[^:=]*=)", rest) if rest else []  # a value may have a colon, as stop=share:0.875
    kind = method_class(name)
    hints = {field.name: str(field.type) for field in dataclasses.fields(kind)}
    own = {
        key: _value(f"--methods {name}", key, value, hints.get(key, ""))
        for key, value in pairs("--methods", words).items()
    }
    shared = dict(given)
    if (rule := shared.get("stop")) and not isinstance(rule_named(rule), kind.rules):
        del shared["stop"]  # a rule for populations is none for votes
    settings = {**preset_sizes(preset, kind), **applicable(kind, shared), **own}
    return Contender(method_named(name, **settings), fixed=kind.grows in own)


def _value(option: str, key: str, text: str, hint: str) -> Any:
    """Return the value of a setting's text, by the setting's type."""
    if hint.startswith("bool"):
        if text.lower() not in ("true", "false"):
            raise UsageError(f"{option}: {key} = {text!r} is neither true nor false")
        return text.lower() == "true"
    number = {"int": int, "float": float}.get(hint.partition(" ")[0])
    if number is None:
        return text
    try:
        return number(text)
    except ValueError:
        kind = "whole number" if number is int else "number"
        raise UsageError(f"{option}: {key} = {text!r} is no {kind}") from None


def matched(
    found: Sequence[Contender], match: Match, lengths: Lengths | None = None, budget: float | None = None
) -> list[Method]:
    """Return the methods at the reference's budget; those whose size the user has spelled out stay as they are.

    So does a method whose answer does not get better with size: a single sample is one however many are averaged.

    Args:
        found: The reference first.
        match: The budget of a question that all share: calls, or prompt and completion tokens together.
        lengths: Lengths to expect, to match tokens.
        budget: Calls or tokens that a question of the reference really took; None: those to expect.
    """
    reference = found[0].method

    def cost(method: Method) -> float:
        return expected_tokens(method, lengths) if match == "tokens" and lengths is not None else method.calls

    limit = cost(reference) if budget is None else budget
    methods = [reference]
    for contender in found[1:]:
        method = contender.method
        alike = method.uniform and method.t == 1 and method.grows == "n"
        if match != "none" and not contender.fixed and not alike:
            method = at_budget(method, cost, limit)
        if method in methods:
            raise UsageError(f"matching {match} makes two of the methods the same: {dict(method.settings())}")
        methods.append(method)
    return methods


def at_budget(method: Method, cost: Callable[[Method], float], budget: float) -> Method:
    """Return the method, as large as it can be without costing more than the budget."""

    def resized(size: int) -> Method:
        return dataclasses.replace(method, **{method.grows: size})

    sizes = range(method.parents if method.grows == "n" else 1, LARGEST)  # a population holds an aggregation set
    fitting = bisect_right(sizes, budget, key=lambda size: cost(resized(size)))
    return resized(sizes[max(fitting - 1, 0)])


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean lengths in tokens.

    Attributes:
        prompt: Prompt of a first sample.
        reply: A reply.
        aggregation: Prompt of an aggregation without its candidates; None: as long as that of a first sample.
        judgement: Prompt of a verdict without its candidate; None likewise.
    """

    prompt: float
    reply: float
    aggregation: float | None = None
    judgement: float | None = None

    @classmethod
    def expected(cls, questions: Sequence[Question], reply: float) -> Lengths:
        """Return the mean prompt of a first sample, measured on the questions, and the given length of a reply."""
        return cls(fmean(_tokens(first(question)) for question in questions), reply)

    @classmethod
    def measured(cls, record: Record) -> Lengths:
        """Return those of a record's calls whose server told their tokens; raise UsageError if there are none."""
        ((prompt, reply),) = record.query(
            "SELECT avg(CASE WHEN t = 1 THEN prompt_tokens END), avg(completion_tokens) "  # noqa: S608 - constants
            f"FROM generations WHERE role = 'candidate' AND error IS NULL AND tries > 0 AND NOT {UNTOLD}"
        )
        if prompt is None or reply is None:
            untold = dict(Missing.of(record).lines()).get("tokens")
            why = f"they are {untold}: use --match calls" if untold else "there is no reply to measure lengths on"
            raise UsageError(f"record {record.path}: tokens cannot be matched, since {why}")
        return cls(prompt, reply)


def _tokens(prompt: Prompt) -> float:
    """Return tokens of a prompt without what its candidates say."""
    return text_bytes(prompt.messages([""] * len(prompt.candidates))) / BYTES_PER_TOKEN


def expected_cost(method: Method, lengths: Lengths, firsts: int | None = None) -> Cost:
    """Return the calls and tokens of a method for one question; stopping and copying need fewer.

    Calls of its own, beyond members and verdicts, are taken to be like aggregations; every candidate is shown whole.
    ``firsts`` first samples have to be asked for; None: all, none comes from another run.
    """
    firsts = method.size(1) if firsts is None else firsts
    judged = method.judgements * method.size(method.t)
    later = method.calls - method.size(1) - judged
    aggregation = lengths.prompt if lengths.aggregation is None else lengths.aggregation
    judgement = lengths.prompt if lengths.judgement is None else lengths.judgement
    return Cost(
        calls=firsts + later + judged,
        prompt=firsts * lengths.prompt
        + later * (aggregation + method.parents * lengths.reply)
        + judged * (judgement + lengths.reply),
        completion=(firsts + later) * lengths.reply + judged * JUDGEMENT_TOKENS,
    )


def expected_tokens(method: Method, lengths: Lengths) -> float:
    """Return the prompt and completion tokens of a method for one question; stopping and copying need fewer."""
    cost = expected_cost(method, lengths)
    return cost.prompt + cost.completion


def measured_calls_and_tokens(record: Record) -> tuple[int, float]:
    """Return the mean calls (rounded) and tokens that a question took; untold tokens are taken to be as others."""
    cost = mean_cost(costs_by_question(record).values())
    told = cost.calls - cost.without_usage
    return round(cost.calls), (cost.tokens or 0.0) * cost.calls / told if told else 0.0


def run_cost(method: Method, questions: Iterable[Question], reply: float, firsts: int | None = None) -> Cost:
    """Return calls and tokens of a run over all questions, whose own prompts are measured; see `expected_cost`."""
    total, member = Cost(), Member(1, 0)
    for question in questions:
        lengths = Lengths(
            _tokens(first(question)),
            reply,
            _tokens(aggregation(question, [member] * method.parents)),
            _tokens(verification(question, member)),
        )
        total += expected_cost(method, lengths, firsts)
    return total


@dataclass(frozen=True)
class ExpectedCosts:
    """The result of `estimate_costs`.

    Attributes:
        methods: The methods, at their budget.
        costs: Calls and tokens of each, over all questions and seeds.
        total: Calls and tokens of all together; they share their first samples.
        source: The origin of the questions, in words.
        questions: Number of questions.
        seeds: Runs of each method.
        reply_tokens: Tokens that a reply is taken to have.
        question_tokens: Tokens of a question's own prompt, on average.
    """

    methods: Sequence[Method]
    costs: Sequence[Cost]
    total: Cost
    source: str
    questions: int
    seeds: int
    reply_tokens: int
    question_tokens: float

    @classmethod
    def of(cls, asked: QuestionSet, methods: Sequence[Method], reply_tokens: int, seeds: int = 1) -> ExpectedCosts:
        """Return the costs of methods that are run as they are; the largest first population serves all."""
        questions, total = asked.questions, Cost()
        for place, method in enumerate(sorted(methods, key=lambda method: -method.size(1))):
            total += run_cost(method, questions, reply_tokens, firsts=0 if place else None)
        return cls(
            methods=methods,
            costs=[run_cost(method, questions, reply_tokens) * seeds for method in methods],
            total=total * seeds,
            source=asked.source,
            questions=len(questions),
            seeds=seeds,
            reply_tokens=reply_tokens,
            question_tokens=Lengths.expected(questions, reply_tokens).prompt,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``--dry-run --json`` prints."""

        def rounded(cost: Cost) -> dict[str, int]:
            return {name: round(getattr(cost, name)) for name in ("calls", "prompt", "completion")}

        return {
            "dry_run": True,
            "at_most": any(method.compares for method in self.methods),
            "source": self.source,
            "questions": self.questions,
            "seeds": self.seeds,
            "reply_tokens": self.reply_tokens,
            "question_tokens": self.question_tokens,
            "methods": [
                {**method.settings(), **rounded(cost)} for method, cost in zip(self.methods, self.costs, strict=True)
            ],
            "total": rounded(self.total),
        }


def estimate_costs(
    questions: Questions,
    methods: str | Method | Sequence[str | Method] = RSA.name,
    *,
    sizes: Mapping[str, Any] | None = None,
    preset: Preset | None = None,
    match: Match = "none",
    seeds: int = 1,
    reply_tokens: int = DEFAULT_MAX_TOKENS,
    size: Size = None,
) -> ExpectedCosts:
    """Estimate calls and tokens of methods on questions, without a model.

    Args:
        questions: A source, or the questions; see `selfagg.aevaluate`.
        methods: One method or several, as for `selfagg.acompare`, as ``sizes``, ``preset``, ``match`` and ``seeds``.
        sizes: Settings for the methods that are named.
        preset: Sizes by one word.
        match: The budget that the methods share.
        seeds: Runs of each method.
        reply_tokens: Tokens that a reply is taken to have, shown whole to every aggregation.
        size: Number of questions to take.

    Raises:
        UsageError: There is no such method or source, or a setting cannot work.
    """
    check_words({"match": (match, get_args(Match))})
    check_amounts(seeds=seeds, reply_tokens=reply_tokens)
    asked = question_set(questions, size=size)
    found = contenders([methods] if isinstance(methods, str | Method) else methods, sizes, preset)
    lengths = Lengths.expected(asked.questions, reply_tokens)
    return ExpectedCosts.of(asked, matched(found, match, lengths), reply_tokens, seeds)
