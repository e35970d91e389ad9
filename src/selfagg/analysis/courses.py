"""The courses that questions take through their populations: as recorded, or drawn anew by r_c.

What a rule that stops, copies or votes would have done follows from a few numbers of each population: how many
members agree, whether the vote and a drawn member are right, and what the population cost.

As recorded, the numbers are exact: RSA draws its sets and seeds by address, so a run that stops has the very members of
one that does not. For copied sets and for smaller populations the record lacks the members. They are drawn: first
samples out of the recorded ones, an aggregation of c right candidates right with the question's own r_c. A wrong
aggregation takes a wrong answer of its candidates as often as recorded ones did, else another one of the question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfagg._internal.extras import Optional
from selfagg.analysis.aggregation import aggregations
from selfagg.analysis.member_outcomes import QuestionOutcome, answered
from selfagg.analysis.missing import UNTOLD
from selfagg.analysis.statistics import Counts, Floats
from selfagg.record.record import Record
from selfagg.run.stopping import is_copied

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Optional("numpy")

NOBODY, RIGHT = -1, 0
"""The numbers that stand for no answer, and for the right one."""

WEIGHTS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Aggregations that a prior can weigh as much as."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """The members of a run's Q finished questions, T populations of N; arrays have shape (Q, T, N)."""

    questions: Sequence[QuestionOutcome]  # the questions, in their order
    same: Counts  # place of the earliest member with an equal answer; `NOBODY` without an answer
    answers: Counts  # numbers that are equal for equal answers of a question, in all its populations; `RIGHT`, `NOBODY`
    right: Floats  # 1 right, 0 wrong, NaN where that is not known
    calls: Floats  # 1, or 0 for members that took no call
    tokens: Floats  # of prompt and completion, 0 of a failed call; NaN where a server did not tell them

    def courses(self) -> Courses:
        """Return the courses that the record holds, R = 1."""
        return _courses(self.same[:, None], self.right[:, None], self.calls[:, None], self.tokens[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class Courses:
    """Q questions that go through T populations, R times each; all arrays have shape (Q, R, T)."""

    n: int  # members of a population
    leading: Counts  # members of the largest group of equal answers
    voted: Floats  # 1.0 if the vote is right, else 0.0; NaN where that is not known
    sampled: Floats  # share of right members; NaN where that is not known
    calls: Floats  # calls of each population
    tokens: Floats  # tokens of each population; NaN where they are not known


def read(record: Record) -> Recorded:
    """Read the members of the questions that are done."""
    questions = list(answered(record))
    costs = defaultdict(list)
    for position, *spent in record.query(
        f"SELECT question, tries > 0, iif(error IS NULL AND {UNTOLD}, NULL, prompt_tokens + completion_tokens) "  # noqa: S608
        "FROM generations WHERE role = 'candidate' ORDER BY question, t, i"
    ):
        costs[position].append(spent)
    first = questions[0].populations if questions else [()]
    shape = (len(questions), len(first), len(first[0]))
    calls, tokens = np.moveaxis(np.array([costs[one.position] for one in questions], float).reshape(*shape, 2), -1, 0)
    same = [[[NOBODY if m.same is None else m.same for m in p] for p in q.populations] for q in questions]
    right = [[[np.nan if m.score is None else m.right for m in p] for p in q.populations] for q in questions]
    return Recorded(
        questions=questions,
        same=np.array(same, dtype=np.int64).reshape(shape),
        answers=np.array([_answers(record, question) for question in questions], dtype=np.int64).reshape(shape),
        right=np.array(right, dtype=float).reshape(shape),
        calls=calls,
        tokens=np.where(calls > 0, tokens, 0.0),
    )


def _answers(record: Record, question: QuestionOutcome) -> list[list[int]]:
    """Number a question's answers over all its populations: groups that share a text, or are right, are one."""
    rows = record.query("SELECT t, i, answer FROM scores WHERE question = ?", (question.position,))
    texts = {(t, i): text for t, i, text in rows}
    numbers: dict[str, int] = {}
    found: list[list[int]] = []
    for population in question.populations:
        groups: dict[int | None, int] = {None: NOBODY}
        for m in population:
            if m.same not in groups:
                own = [other for other in population if other.same == m.same]
                spelt = [texts[other.t, other.i] for other in own]
                known = next((numbers[text] for text in spelt if text in numbers), len(numbers) + 1)
                groups[m.same] = RIGHT if any(other.right for other in own) else known
                numbers |= dict.fromkeys((text for text in spelt if text not in numbers), known)
        found.append([groups[m.same] for m in population])
    return found


def _courses(groups: Counts, right: Floats, calls: Floats, tokens: Floats) -> Courses:
    """Count members, of shape (Q, R, T, N), into courses."""
    n = groups.shape[-1]
    own = np.zeros(groups.shape, dtype=np.int64)
    for place in range(n):  # one after the other: all pairs at once would take N times the memory
        own += groups == groups[..., place, None]
    own[groups == NOBODY] = 0
    winner = own.argmax(axis=-1)[..., None]  # the earliest member of the largest group, as in a vote
    leading = np.take_along_axis(own, winner, -1)[..., 0]
    known = np.isfinite(right)
    with np.errstate(invalid="ignore"):
        sampled = np.where(known, right, 0.0).sum(axis=-1) / known.sum(axis=-1)
    voted = np.where(leading > 0, np.take_along_axis(right, winner, -1)[..., 0], sampled)
    return Courses(n, leading, voted, sampled, calls.sum(axis=-1), tokens.sum(axis=-1))


class CourseDraws:
    """A source of courses drawn by r_c, R = ``repeats``: with copied sets, with fewer members, or both.

    Right and wrong are known of every member of the questions ``found`` in the record of an RSA run.
    """

    def __init__(self, record: Record, found: Recorded, repeats: int) -> None:
        counts = aggregations(record, found.questions)
        assert counts is not None  # noqa: S101 - the caller has looked: questions with aggregations
        self._found, self._k, self._repeats = found, counts.k, repeats
        self._rates = _posteriors(counts.tried.sum(axis=1), counts.succeeded.sum(axis=1))
        self._wrong = [answers[(answers != RIGHT)] for answers in found.answers.reshape(len(found.answers), -1)]
        self._faithful = _faithful(found)
        self._first = np.nanmean(found.tokens[:, 0], axis=-1)
        self._later = np.nanmean(found.tokens[:, 1:], axis=(1, 2))

    def courses(self, n: int, *, copy: bool) -> Courses:
        """Draw courses with populations of ``n`` members, at most the recorded number; ``copy``: sets of one answer."""
        random = np.random.default_rng([0, n, copy])
        asked, populations, size = self._found.answers.shape
        shape = (asked, self._repeats, n)
        places = random.random((asked, self._repeats, size)).argsort(axis=-1)[..., :n]
        recorded = np.broadcast_to(self._found.answers[:, None, 0], (asked, self._repeats, size))
        answers: list[Counts] = [np.take_along_axis(recorded, places, -1)]
        calls: list[Floats] = [np.ones(shape)]
        rates = random.beta(*(side[:, None].repeat(self._repeats, axis=1) for side in self._rates))
        for _ in range(populations - 1):
            # K places of the N without replacement, for each member
            sets = random.random((*shape, n), dtype=np.float32).argpartition(self._k - 1, axis=-1)[..., : self._k]
            candidates = np.take_along_axis(answers[-1][:, :, None, :], sets, -1)
            copied = _copied(candidates) if copy else np.zeros(shape, dtype=bool)
            answers.append(np.where(copied, candidates[..., 0], self._aggregated(candidates, rates, random)))
            calls.append(np.asarray(1.0 - copied))
        members, asked_for = np.stack(answers, axis=2), np.stack(calls, axis=2)
        each = np.where(np.arange(populations) == 0, self._first[:, None], self._later[:, None])
        return _courses(members, (members == RIGHT) * 1.0, asked_for, asked_for * each[:, None, :, None])

    def _aggregated(self, candidates: Counts, rates: Floats, random: np.random.Generator) -> Counts:
        """Draw the answer of an aggregation of each set; ``candidates`` has shape (Q, R, N, K)."""
        shape = candidates.shape[:-1]
        chances = np.take_along_axis(rates, (candidates == RIGHT).sum(axis=-1), -1)
        wrong = (candidates != RIGHT) & (candidates != NOBODY)
        luck = np.where(wrong, random.random(candidates.shape), -1.0)
        taken = np.take_along_axis(candidates, luck.argmax(axis=-1)[..., None], -1)[..., 0]
        other = np.stack([random.choice(pool if len(pool) else [1], shape[1:]) for pool in self._wrong])
        follows = wrong.any(axis=-1) & (random.random(shape) < self._faithful)
        return np.where(random.random(shape) < chances, RIGHT, np.where(follows, taken, other))


def _posteriors(tried: Counts, succeeded: Counts) -> tuple[Floats, Floats]:
    """Return both parameters of the Beta distribution of each question's own r_c, of shape (Q, K + 1).

    The prior of each c has the mean of all questions, and of `WEIGHTS` the weight under which the counts are likeliest:
    for c = 0 questions differ far more than for c = K, so that one number for a question's skill would not do.
    """
    from scipy.special import betaln

    failed = tried - succeeded
    means = (succeeded.sum(axis=0) + 0.5) / (tried.sum(axis=0) + 1)
    right, wrong = (np.multiply.outer(WEIGHTS, part) for part in (means, 1 - means))  # (W, K + 1)
    likelihoods = betaln(right[:, None] + succeeded, wrong[:, None] + failed) - betaln(right, wrong)[:, None]
    best = likelihoods.sum(axis=1).argmax(axis=0), np.arange(len(means))
    return right[best] + succeeded, wrong[best] + failed


def _copied(candidates: Counts) -> NDArray[np.bool_]:
    """Return True for the sets of candidates that are copied, by the engine's own rule."""
    k, first = candidates.shape[-1], candidates[..., 0]
    alike = (candidates == candidates[..., :1]).all(axis=-1)
    return np.asarray(alike & np.where(first == NOBODY, is_copied([None] * k), is_copied([RIGHT] * k)))


def _faithful(found: Recorded) -> float:
    """Return the share of wrong aggregations with wrong candidates that give the answer of one of them."""
    taken = asked = 0
    for question, answers in zip(found.questions, found.answers, strict=True):
        for t, population in enumerate(question.populations[1:], start=1):
            for m in population:
                given = {int(answers[t - 1, parent]) for parent in m.parents} - {RIGHT, NOBODY}
                if given and answers[t, m.i] != RIGHT:
                    asked += 1
                    taken += int(answers[t, m.i]) in given
    return taken / asked if asked else 0.0
