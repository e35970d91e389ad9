"""One population over many questions: how often right, how varied, how long."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from selfagg.analysis.member_outcomes import Population, QuestionOutcome, elected, votes
from selfagg.analysis.statistics import Estimate, mean_interval, pass_at_k

BySeed = defaultdict[str, list[list[float]]]
"""For each question the values of each seed."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class PopulationSummary:
    """One population, over all questions that are done.

    What asks for right and wrong is None where no question has a gold answer.

    Attributes:
        t: Number of the population; 1 is the first.
        size: Members a question.
        accuracy: Share of members whose answer is right, failed calls counted as wrong: the paper's Pass@1.
        accuracy_replied: The same of the members that have a reply.
        partial_credit: Mean score; equal to the accuracy where the task gives no partial credit.
        pass_at_n: Share of questions with at least one right member.
        majority: Share of questions whose most frequent answer is right; one that nobody answered is wrong.
        distinct: Different answers a question, on average.
        entropy: Entropy of a question's answers in bits, on average; 0 where all that answer agree.
        unanswered: Members without an answer, in all, and
        cut: those of them whose reply was cut by the limit on its length, and
        failed: those of them whose call failed.
        unscored: Members whose answer could not be scored: left out of all shares. pass@N is over the questions that
            have none.
        copies: Members that were copied without a call, and
        carried: questions that stopped before and whose last population is carried forward to here. Neither counts
            among the lengths, the carried ones neither among members without an answer.
        replies_cut: Replies cut by the limit, with an answer or without.
        mean_tokens: Tokens of a reply, on average over those whose server told them; None where it told none.
        token_quantiles: The lengths that so large a share of the replies does not exceed.
        right_counts: Right members of each question all of whose members are scored, one number for each seed.
    """

    t: int
    size: int
    accuracy: Estimate | None
    accuracy_replied: Estimate | None
    partial_credit: float | None
    pass_at_n: Estimate | None
    majority: Estimate | None
    distinct: float
    entropy: float
    unanswered: int
    cut: int
    failed: int
    unscored: int
    replies_cut: int
    mean_tokens: float | None
    token_quantiles: Mapping[float, float]
    right_counts: Sequence[Sequence[int]] = field(repr=False)
    copies: int = 0
    carried: int = 0

    def pass_at(self, k: int) -> Estimate | None:
        """Return the chance that at least one of ``k`` members is right, by the unbiased estimator (arXiv 2107.03374).

        Raises:
            ValueError: Not 1 <= k <= size.
        """
        if not self.right_counts:
            return None
        chances = [pass_at_k(self.size, counts, k) for counts in self.right_counts]
        apart = self.size // k  # so many draws that share no member
        return estimate(over_seeds([[float(chance)] * apart for chance in seeds]) for seeds in chances)

    def as_json(self) -> dict[str, Any]:
        """Return the population as an entry of ``populations`` in `Summary.as_json`."""
        return {
            "t": self.t,
            "accuracy": mean(self.accuracy),
            "interval": interval(self.accuracy),
            "accuracy_replied": mean(self.accuracy_replied),
            "partial_credit": self.partial_credit,
            "pass_at_n": mean(self.pass_at_n),
            "majority": mean(self.majority),
            "distinct": self.distinct,
            "entropy": self.entropy,
            "unanswered": self.unanswered,
            "unanswered_cut": self.cut,
            "unanswered_failed": self.failed,
            "unscored": self.unscored,
            "mean_tokens": self.mean_tokens,
            "copies": self.copies,
            "carried": self.carried,
        }


@dataclass
class PopulationCounts:
    """One population's numbers, added up question by question; a question may come once for each seed."""

    size: int = 0
    partial: bool = False
    copies: int = 0
    carried: int = 0
    right: BySeed = field(default_factory=lambda: defaultdict(list))
    replied: BySeed = field(default_factory=lambda: defaultdict(list))
    right_counts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    credit: list[float] = field(default_factory=list)
    majority: BySeed = field(default_factory=lambda: defaultdict(list))
    distinct: list[int] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    unanswered: int = 0
    cut: int = 0
    failed: int = 0
    unscored: int = 0
    replies_cut: int = 0
    lengths: array[int] = field(default_factory=lambda: array("q"))

    def add(self, question: QuestionOutcome, population: Population) -> None:
        """Count the population of one question."""
        self.partial |= self.size not in (0, len(population))
        self.size = max(self.size, len(population))
        counts = votes(population)
        self.distinct.append(len(counts))
        self.entropies.append(entropy(counts.values()))
        self.carried += any(member.carried for member in population)
        for member in (member for member in population if not member.carried):
            self.copies += member.copied
            self.unanswered += member.same is None
            self.cut += member.same is None and member.cut
            self.failed += member.failed
            self.unscored += member.unscored
            self.replies_cut += member.cut
            if member.made and not member.failed and member.completion is not None:
                self.lengths.append(member.completion)
        if question.scored:
            self._add_scores(question.id, population)

    def _add_scores(self, name: str, population: Population) -> None:
        known = [member for member in population if not member.unscored]
        winner = elected(population)
        self.right[name].append([float(member.right) for member in known])
        self.replied[name].append([float(member.right) for member in known if not member.failed])
        if known:
            self.credit.append(fmean(member.score or 0.0 for member in known))
        if len(known) == len(population):
            self.right_counts[name].append(sum(member.right for member in known))
        if winner is None or not winner.unscored:
            self.majority[name].append([float(winner is not None and winner.right)])

    def summary(self, t: int) -> PopulationSummary:
        """Return the summary of the counts, for the population with number ``t``."""
        # Votes that ended at different sizes tell nothing of how often one of N members is right.
        right_counts = [] if self.partial else list(self.right_counts.values())
        return PopulationSummary(
            t=t,
            size=self.size,
            accuracy=pooled(self.right),
            accuracy_replied=pooled(self.replied),
            partial_credit=fmean(self.credit) if self.credit else None,
            pass_at_n=estimate([float(count > 0) for count in counts] for counts in right_counts),
            majority=pooled(self.majority),
            distinct=fmean(self.distinct),
            entropy=fmean(self.entropies),
            unanswered=self.unanswered,
            cut=self.cut,
            failed=self.failed,
            unscored=self.unscored,
            replies_cut=self.replies_cut,
            mean_tokens=fmean(self.lengths) if self.lengths else None,
            token_quantiles=_quantiles(self.lengths),
            right_counts=right_counts,
            copies=self.copies,
            carried=self.carried,
        )


@dataclass
class Tallies:
    """All populations and the method's own answer, added up question by question.

    Questions of several seeds may be added: the same question counts once, with its seeds averaged.
    """

    questions: int = 0
    stopped: int = 0
    depths: int = 0
    by_population: list[PopulationCounts] = field(default_factory=list)
    worth: BySeed = field(default_factory=lambda: defaultdict(list))
    worth_replied: BySeed = field(default_factory=lambda: defaultdict(list))

    def add(self, question: QuestionOutcome) -> None:
        """Count one question."""
        self.questions += 1
        self.depths += question.depth
        self.stopped += question.depth < len(question.populations)
        missing = len(question.populations) - len(self.by_population)
        self.by_population += [PopulationCounts() for _ in range(missing)]
        for tally, population in zip(self.by_population, question.populations, strict=True):
            tally.add(question, population)
        if question.scored:
            self.worth[question.id].append(question.worth)
            self.worth_replied[question.id].append(question.worth_replied)

    def populations(self) -> list[PopulationSummary]:
        """Return the summary of each population."""
        return [tally.summary(t) for t, tally in enumerate(self.by_population, start=1)]

    @property
    def depth(self) -> float | None:
        """Return the mean number of populations that were made of a question; None if no question was counted."""
        return self.depths / self.questions if self.questions else None

    def answer_accuracy(self) -> Estimate | None:
        """Return the accuracy of the method's own answer."""
        return pooled(self.worth)

    def answer_replied(self) -> Estimate | None:
        """Return the same, members without a reply left out."""
        return pooled(self.worth_replied)


def entropy(counts: Iterable[int]) -> float:
    """Return the entropy in bits of answers given so many times each; 0.0 if nobody answered."""
    given = list(counts)
    total = sum(given)
    return sum(count / total * math.log2(total / count) for count in given)


def pooled(values: Mapping[str, Sequence[Sequence[float]]]) -> Estimate | None:
    """Return `mean_interval` over questions, the seeds of each question averaged; None where no question has values."""
    return estimate(map(over_seeds, values.values()))


def over_seeds(values: Sequence[Sequence[float]]) -> Sequence[float]:
    """Return one question's values, each seed counting the same however many values stand behind it."""
    known = [seed for seed in values if seed]
    return known[0] if len(known) == 1 else [fmean(map(fmean, known))] * sum(map(len, known)) if known else []


def estimate(values_by_question: Iterable[Sequence[float]]) -> Estimate | None:
    """Return `mean_interval`, or None where no question has values."""
    values = [values for values in values_by_question if len(values)]
    return mean_interval(values) if values else None


def mean(value: Estimate | None) -> float | None:
    """Return an estimate's mean, for JSON."""
    return None if value is None else value.mean


def interval(value: Estimate | None) -> list[float] | None:
    """Return an estimate's interval, for JSON."""
    return None if value is None else [value.low, value.high]


def _quantiles(lengths: array[int]) -> dict[float, float]:
    import numpy as np

    if not lengths:
        return {}
    return dict(zip(QUANTILES, map(float, np.quantile(np.asarray(lengths), QUANTILES)), strict=True))
