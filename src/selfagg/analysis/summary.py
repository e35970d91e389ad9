"""The summary of a run: each population, the method's own answer, and the cost."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from selfagg._internal.extras import Optional
from selfagg.analysis.member_outcomes import Population, QuestionOutcome, answered, elected, votes
from selfagg.analysis.missing import Missing, usage_json
from selfagg.analysis.statistics import Estimate, for_json, interval, mean, mean_interval, pass_at_k
from selfagg.methods.base import ADAPTIVE
from selfagg.record.record import Record
from selfagg.types import Usage

if TYPE_CHECKING:
    import numpy as np
else:
    np = Optional("numpy")

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class PopulationSummary:
    """One population, over all questions that are done.

    What asks for right and wrong is None where no question has a gold answer.
    pass@N is over the questions all of whose members are scored.
    Copies and carried members do not count among the lengths, carried ones neither among members without an answer.
    """

    t: int  # number of the population; 1 is the first
    size: int  # members a question
    accuracy: Estimate | None  # share of right members, failed calls counted as wrong: the paper's Pass@1
    accuracy_replied: Estimate | None  # the same of the members that have a reply
    partial_credit: float | None  # mean score; equal to the accuracy where the task gives no partial credit
    pass_at_n: Estimate | None  # share of questions with at least one right member
    majority: Estimate | None  # share of questions whose commonest answer is right; nobody's is wrong
    distinct: float  # different answers a question, on average
    entropy: float  # entropy of a question's answers in bits, on average; 0 where all that answer agree
    unanswered: int  # members without an answer, in all
    cut: int  # those of them whose reply was cut by the limit on its length
    failed: int  # those of them whose call failed
    unscored: int  # members whose answer could not be scored: left out of all shares
    replies_cut: int  # replies cut by the limit, with an answer or without
    mean_tokens: float | None  # of a reply, over those whose server told them; None where it told none
    token_quantiles: Mapping[float, float]  # the lengths that so large a share of the replies does not exceed
    right_counts: Sequence[Sequence[int]] = field(repr=False)  # of questions all scored, a number a seed
    copies: int  # members that were copied without a call
    carried: int  # questions that stopped before, their last population carried forward to here

    def pass_at(self, k: int) -> Estimate | None:
        """Return the chance that at least one of ``k`` members, 1 to size, is right, by `pass_at_k`."""
        if not self.right_counts:
            return None
        chances = [pass_at_k(self.size, counts, k) for counts in self.right_counts]
        apart = self.size // k  # so many draws that share no member
        return estimate(over_seeds([[float(chance)] * apart for chance in seeds]) for seeds in chances)

    def pass_at_powers(self) -> dict[int, Estimate]:
        """Return `pass_at` for k = 1, 2, 4 and so on, and the population's size; empty without gold answers."""
        ks = [*(2**power for power in range(self.size.bit_length()) if 2**power < self.size), self.size]
        return {k: found for k in ks if (found := self.pass_at(k))}

    def as_json(self) -> dict[str, Any]:
        """Return the population as an entry of ``populations`` in `Summary.as_json`."""
        return {
            **for_json(self, "t accuracy"),
            "interval": interval(self.accuracy),
            **for_json(self, "accuracy_replied partial_credit pass_at_n majority distinct entropy unanswered"),
            "unanswered_cut": self.cut,
            "unanswered_failed": self.failed,
            **for_json(self, "unscored mean_tokens copies carried"),
        }


def populations_of(questions: Sequence[QuestionOutcome]) -> list[PopulationSummary]:
    """Return the summary of each population; a question of several seeds counts once, with its seeds averaged."""
    last = max((len(question.populations) for question in questions), default=0)
    return [_population(t, questions) for t in range(1, last + 1)]


def _population(t: int, questions: Sequence[QuestionOutcome]) -> PopulationSummary:
    populations = [question.populations[t - 1] for question in questions]
    size = max(map(len, populations))
    groups = [votes(population).values() for population in populations]
    members = [m for population in populations for m in population if not m.carried]
    lengths = [m.completion for m in members if m.made and not m.failed and m.completion is not None]
    scored = [(one.id, population) for one, population in zip(questions, populations, strict=True) if one.scored]
    known = [(name, [m for m in population if not m.unscored]) for name, population in scored]
    right_counts: dict[str, list[int]] = defaultdict(list)
    # Votes that ended at different sizes tell nothing of how often one of N members is right.
    if all(len(population) == size for population in populations):
        for name, kept in known:
            if len(kept) == size:
                right_counts[name].append(sum(m.right for m in kept))
    return PopulationSummary(
        t=t,
        size=size,
        accuracy=pooled((name, [float(m.right) for m in kept]) for name, kept in known),
        accuracy_replied=pooled((name, [float(m.right) for m in kept if not m.failed]) for name, kept in known),
        partial_credit=_mean([fmean(m.score or 0.0 for m in kept) for _, kept in known if kept]),
        pass_at_n=estimate([float(count > 0) for count in counts] for counts in right_counts.values()),
        majority=pooled((name, _vote(population)) for name, population in scored),
        distinct=fmean(map(len, groups)),
        entropy=fmean(map(entropy, groups)),
        unanswered=sum(m.same is None for m in members),
        cut=sum(m.same is None and m.cut for m in members),
        failed=sum(m.failed for m in members),
        unscored=sum(m.unscored for m in members),
        replies_cut=sum(m.cut for m in members),
        mean_tokens=_mean(lengths),
        token_quantiles=dict(zip(QUANTILES, np.quantile(lengths, QUANTILES).tolist(), strict=True)) if lengths else {},
        right_counts=list(right_counts.values()),
        copies=sum(m.copied for m in members),
        carried=sum(any(m.carried for m in population) for population in populations),
    )


def _vote(population: Population) -> list[float]:
    """Return 1.0 or 0.0 for a right or wrong vote, nothing for one that is not known."""
    winner = elected(population)
    return [] if winner and winner.unscored else [float(winner is not None and winner.right)]


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def entropy(counts: Iterable[int]) -> float:
    """Return the entropy in bits of answers given so many times each; 0.0 if nobody answered."""
    given = list(counts)
    total = sum(given)
    return sum(count / total * math.log2(total / count) for count in given)


def answer_accuracy(questions: Iterable[QuestionOutcome], *, replied: bool = False) -> Estimate | None:
    """Return the accuracy of the method's own answer; with ``replied``, members without a reply left out."""
    return pooled((one.id, one.worth_replied if replied else one.worth) for one in questions if one.scored)


def pooled(values: Iterable[tuple[str, Sequence[float]]]) -> Estimate | None:
    """Return `mean_interval` over questions, the seeds of each question averaged; None where no question has values."""
    by_question: dict[str, list[Sequence[float]]] = defaultdict(list)
    for name, seed in values:
        by_question[name].append(seed)
    return estimate(map(over_seeds, by_question.values()))


def over_seeds(values: Sequence[Sequence[float]]) -> Sequence[float]:
    """Return one question's values, each seed counting the same however many values stand behind it."""
    known = [seed for seed in values if seed]
    return known[0] if len(known) == 1 else [fmean(map(fmean, known))] * sum(map(len, known)) if known else []


def estimate(values_by_question: Iterable[Sequence[float]]) -> Estimate | None:
    """Return `mean_interval`, or None where no question has values."""
    values = [values for values in values_by_question if len(values)]
    return mean_interval(values) if values else None


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers. Populations and answers are those of the questions that are done; costs are all there were.

    The method's own answer is for RSA a member of the last population drawn uniformly, for majority voting the vote,
    for rejection sampling one of those accepted.
    """

    method: str  # name of the method
    n: int  # members of a population
    k: int | None  # candidates of an aggregation set; None where the method has no such setting
    t: int  # populations, the first included
    model: str  # the model that answered
    record: Path | None  # the record's file; None if it was kept in memory
    questions: int  # questions that are done
    questions_total: int  # questions of the run
    populations: Sequence[PopulationSummary]  # one entry a population
    answer_accuracy: Estimate | None  # None without gold
    answer_replied: Estimate | None  # the same, members without a reply left out
    missing: Missing  # members without a reply or a score, replies without a count of tokens
    sampling: Mapping[str, Any]  # the recorded sampling of members
    calls: int  # calls to the model
    usage: Usage  # tokens of all calls
    seconds: float  # wall time of all sessions of the run
    failures: int  # generations without a reply: calls that failed for good
    skipped: int  # those of them that were no call, because none of their parents has a reply either
    copies: int  # members that were copied without a call, because all candidates of their set agreed
    depth: float | None  # populations of a question, on average; a question that stopped has fewer than ``t``
    stopped: int  # questions that stopped before their last population
    shortened: int  # candidates that were shortened to fit the model's context
    last_failure: str | None  # the reason for the last failed call, or None
    adaptive: Mapping[str, Any]  # settings of stopping, copying and answering that are not at their default

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
        adaptive = dict(self.adaptive)
        by = {"by": adaptive.pop("answer")} if "answer" in adaptive else {}
        ends = interval(self.answer_accuracy)
        return {
            **for_json(self, "method n k t model simulated questions questions_total"),
            "populations": [population.as_json() for population in self.populations],
            **adaptive,
            "answer": {"accuracy": mean(self.answer_accuracy), "interval": ends, **by},
            "answer_accuracy": mean(self.answer_accuracy),
            "answer_interval": ends,
            "answer_replied": mean(self.answer_replied),
            "missing": self.missing.as_json(),
            "sampling": dict(self.sampling),
            "calls": self.calls,
            "usage": usage_json(self.usage, self.missing.replies),
            **for_json(self, "seconds failures skipped copies depth stopped shortened last_failure"),
            "record": str(self.record) if self.record else None,
        }


def summarise(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> Summary:
    """Summarise the questions of a run that are done, interrupted or not; ``questions``: `answered`, if read."""
    done = list(questions or answered(record))
    method = record.configuration.get("method", {})
    calls, failures, skipped, copies, shortened, prompt, cached, completion, reasoning = record.query(
        "SELECT coalesce(sum(tries > 0), 0), coalesce(sum(error IS NOT NULL), 0), "
        "coalesce(sum(tries = 0 AND error IS NOT NULL), 0), coalesce(sum(tries = 0 AND error IS NULL), 0), "
        "coalesce(sum(cut), 0), "
        "coalesce(sum(prompt_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(completion_tokens), 0), "
        "coalesce(sum(reasoning_tokens), 0) FROM generations"
    )[0]
    ((total,),) = record.query("SELECT count(*) FROM questions")
    failed = record.query(
        "SELECT error FROM generations WHERE error IS NOT NULL AND tries > 0 ORDER BY started DESC LIMIT 1"
    )
    missing = Missing.of(record)
    return Summary(
        method=method.get("name", ""),
        n=method.get("n", 0),
        k=method.get("k"),
        t=method.get("t", 0),
        model=record.configuration.get("model", ""),
        record=record.path,
        questions=len(done),
        questions_total=total,
        populations=populations_of(done),
        answer_accuracy=answer_accuracy(done),
        answer_replied=answer_accuracy(done, replied=True),
        missing=missing,
        sampling=record.configuration.get("sampling", {}),
        calls=calls,
        usage=Usage(prompt, cached, completion, reasoning, missing.without_usage),
        seconds=record.seconds,
        failures=failures,
        skipped=skipped,
        copies=copies,
        depth=_mean([question.depth for question in done]),
        stopped=sum(question.depth < len(question.populations) for question in done),
        shortened=shortened,
        last_failure=failed[0][0] if failed else None,
        adaptive={name: method[name] for name in ADAPTIVE if name in method},
    )


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """The questions of one task or subject that are done; ``group`` is its name, ``""`` where they have none."""

    group: str
    questions: int
    populations: Sequence[PopulationSummary]
    answer_accuracy: Estimate | None


def summarise_groups(record: Record, questions: Iterable[QuestionOutcome] | None = None) -> list[GroupSummary]:
    """Summarise a run task by task, in the order of the tasks' names; ``questions`` as in `summarise`."""
    names = {position: question.group for position, question in record.numbered()}
    groups: dict[str, list[QuestionOutcome]] = defaultdict(list)
    for question in questions or answered(record):
        groups[names[question.position]].append(question)
    return [
        GroupSummary(name, len(own), populations_of(own), answer_accuracy(own)) for name, own in sorted(groups.items())
    ]
