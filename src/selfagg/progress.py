"""Counts of what happens in a run, for a display that shows them."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selfagg.errors import UsageError
from selfagg.methods import method_named
from selfagg.record.record import Store
from selfagg.record.rows import CANDIDATE
from selfagg.run.engine import Callback
from selfagg.run.runner import INCOMPLETE
from selfagg.types import Member

WINDOW_S = 60.0
"""Seconds over which the tokens per second are averaged: replies come in bursts."""

_DONE = f"""
SELECT g.question, g.t, count(*), coalesce(sum(s.score >= 1), 0),
    coalesce(sum(s.score < 1 AND s.answer IS NOT NULL), 0), coalesce(sum(s.answer IS NULL), 0), count(s.score)
FROM generations g JOIN scores s USING (question, t, i) JOIN questions q ON q.position = g.question
WHERE g.role = 'candidate' AND q.weights IS NOT NULL AND g.question NOT IN ({INCOMPLETE})
GROUP BY g.question, g.t
"""  # noqa: S608 - constants


@dataclass(slots=True)
class ProgressCounts:
    """The counts of one population, over all questions: the members it will have, and the states of those done.

    ``answers`` counts the answers as they are written, in a run of one question. Of a question that stopped before,
    the last members are carried forward: they count in the accuracy alone.
    """

    size: int
    done: int = 0
    right: int = 0
    wrong: int = 0
    unanswered: int = 0
    carried_right: int = 0
    carried_judged: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def judged(self) -> int:
        """Return the number of members whose answer was held against a gold one, or who gave none."""
        return self.right + self.wrong + self.unanswered

    @property
    def accuracy(self) -> float | None:
        """Return the share of right members among those judged so far; None without gold answers."""
        if not self.right + self.wrong + self.carried_judged:
            return None
        return (self.right + self.carried_right) / (self.judged + self.carried_judged)


class Progress(Callback):
    """The state of a run so far. The engine updates it on its event loop, and a display's thread reads it.

    Attributes:
        tallies: Populations 1, 2, ...
        questions: Questions in all.
        finished_questions: Those that are done.
        failures: Calls that failed for good in this session.
        calls: Calls answered in this session.
        tokens: Completion tokens written in this session, as far as the server tells them.
        untold: Replies in this session whose tokens it did not report.
        obstacle: Reason for which no call is made now, or None.
    """

    def __init__(
        self,
        sizes: Sequence[int] | None = None,
        questions: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count from zero.

        Args:
            sizes: Members of each population of a question; None: those of the run's method.
            questions: Questions in all; None: those of the run.
            clock: Seconds since whenever.
        """
        self._sizes, self._questions, self._clock = sizes, questions, clock
        self._reset(sizes or (), questions or 0)

    def _reset(self, sizes: Sequence[int], questions: int) -> None:
        self.tallies = [ProgressCounts(size * questions) for size in sizes]
        self._each = sizes
        # Of a question that is not done, by population: members that are there, that are right, that are scored.
        self._open: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
        self.questions = questions
        self.finished_questions = self.failures = self.calls = self.tokens = self.untold = 0
        self.obstacle: str | None = None
        self._fresh_members = 0
        self.begin()

    def begin(self) -> None:
        """Start the clock: loading a model is not the run's time."""
        self._begun = self._heard = self._clock()
        self._past = deque([(self._begun, self.tokens)])

    def resume(self, record: Store) -> None:
        """Count the questions that a record has done already: the engine passes over them in silence."""
        done = set()
        for question, t, made, right, wrong, unanswered, scored in record.query(_DONE):
            tally = self.tallies[t - 1]
            tally.done += made
            tally.right += right
            tally.wrong += wrong
            tally.unanswered += unanswered
            self._open[question][t] = [made, right, scored]
            done.add(question)
        for question in done:
            self.finished(question)

    # -- told by the engine

    def started(self, record: Store) -> None:
        ((questions,),) = record.query("SELECT count(*) FROM questions")
        settings = getattr(record, "configuration", {}).get("method", {})
        self._reset(_sizes(settings) if self._sizes is None else self._sizes, self._questions or questions)
        self.resume(record)

    def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
        if role == CANDIDATE:
            tally = self.tallies[member.t - 1]
            tally.done += 1
            self._open[question][member.t][0] += 1
            tally.size = max(tally.size, tally.done)  # where one answer's ancestors failed, others are computed
            self._fresh_members += fresh
        if fresh:
            self._heard = self._clock()
            self.calls += not member.copied
            self.failures += member.reply is None
            if member.reply:
                self.tokens += member.reply.usage.completion
                self.untold += member.reply.usage.unknown

    def scored(self, question: int, member: Member) -> None:
        tally = self.tallies[member.t - 1]
        if self.questions == 1 and member.answer is not None:
            tally.answers[member.answer] += 1
        self._open[question][member.t][1] += member.right
        self._open[question][member.t][2] += member.score is not None
        if member.right:
            tally.right += 1
        elif member.answer is None:
            tally.unanswered += 1
        elif member.score is not None:
            tally.wrong += 1

    def finished(self, question: int) -> None:
        self.finished_questions += 1
        counts = self._open.pop(question, {})
        last = max((t for t, (made, *_) in counts.items() if made), default=0)
        for t, (size, tally) in enumerate(zip(self._each, self.tallies, strict=True), start=1):
            if t > last:  # what stopped early: its last members count in the accuracy of populations it did not reach
                tally.carried_right += counts[last][1] if last else 0
                tally.carried_judged += counts[last][2] if last else 0
            tally.size -= max(size - (counts[t][0] if t in counts else 0), 0)

    def waiting(self, why: str | None) -> None:
        self.obstacle = why

    # -- asked by a display

    @property
    def done(self) -> int:
        """Return the number of members that are there, over all populations."""
        return sum(tally.done for tally in self.tallies)

    @property
    def size(self) -> int:
        """Return the number of members that there will be."""
        return sum(tally.size for tally in self.tallies)

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since this session began."""
        return self._clock() - self._begun

    @property
    def silent_s(self) -> float:
        """Return the seconds since the last call ended, while members are to come."""
        return self._clock() - self._heard if self.done < self.size else 0.0

    @property
    def left_s(self) -> float | None:
        """Return the seconds that the rest will take at this session's pace; None while there is no pace."""
        return (self.size - self.done) * self.elapsed_s / self._fresh_members if self._fresh_members else None

    def tokens_per_second(self) -> float:
        """Return the completion tokens a second over the last `WINDOW_S`; one display calls this now and then."""
        now = self._clock()
        self._past.append((now, self.tokens))
        while len(self._past) > 2 and now - self._past[1][0] > WINDOW_S:
            self._past.popleft()
        then, tokens = self._past[0]
        return (self.tokens - tokens) / (now - then) if now > then else 0.0


def _sizes(settings: Mapping[str, Any]) -> list[int]:
    """Return the members of each population of a recorded method; of a method that nobody registers, N each."""
    try:
        method = method_named(**settings)
    except UsageError:
        return [settings["n"]] * settings["t"]
    return [method.size(t) for t in range(1, method.t + 1)]
