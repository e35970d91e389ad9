"""Read a record again without a model: new scores, another vote, a smaller run out of a larger one; list changes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfagg._internal.blocking import blocking
from selfagg._internal.extras import extras_named
from selfagg.analysis.member_outcomes import verdict
from selfagg.errors import ModelError, UsageError
from selfagg.evaluation.evaluate import Evaluation
from selfagg.evaluation.record_files import RecordPath, opened_record
from selfagg.methods import method_given, method_named
from selfagg.methods.base import Method
from selfagg.models.base import AlwaysOpen
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.scoring.base import Scorer
from selfagg.scoring.given import GivenScorer, scorer_given
from selfagg.types import Message, Reply, Request


@dataclass(frozen=True, slots=True)
class Change:
    """A member whose answer or score is another one in a replay than in the record.

    Attributes:
        question: Id of its question.
        t: Its population.
        i: Its place.
        answer: The answer before and after; None where there is none.
        score: The score before and after; None where there is none.
    """

    question: str
    t: int
    i: int
    answer: tuple[str | None, str | None]
    score: tuple[float | None, float | None]

    @property
    def verdicts(self) -> tuple[str, str]:
        """Return the verdicts before and after: ``right``, ``wrong``, ``partly right``, ``no answer``, ``unscored``."""
        before, after = map(verdict, self.answer, self.score)
        return before, after


@dataclass(frozen=True)
class Replay:
    """A record, and its replay.

    Attributes:
        recorded: The evaluation as recorded.
        replayed: The evaluation with new scores, another vote, or fewer members.
        changed: The members whose answer or score changed.
    """

    recorded: Evaluation
    replayed: Evaluation
    changed: Sequence[Change] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg replay --json`` prints."""
        recorded = self.recorded.to_dict()
        return {
            "recorded": {name: recorded[name] for name in ("method", "answer_accuracy", "answer_interval")},
            "replayed": self.replayed.to_dict(),
            "changed": [{**asdict(one), "answer": [*one.answer], "score": [*one.score]} for one in self.changed],
        }


def replay(
    record: RecordPath,
    *,
    method: str | Method | None = None,
    n: int | None = None,
    k: int | None = None,
    t: int | None = None,
    scorer: GivenScorer | None = None,
    out: RecordPath | None = None,
) -> Replay:
    """Score, vote or select anew from what a record holds, without a model.

    Args:
        record: The record; it is not changed.
        method: Another way to choose: a name or a `Method`; None: the recorded method.
        n: Fewer members. For a method's name, as the next two.
        k: The recorded one.
        t: Fewer populations.
        scorer: Scores in place of the recorded scorer; see `selfagg.evaluate`.
        out: A new file that keeps the replay as a record; None: memory.

    Raises:
        UsageError: The recorded members cannot serve the method, or ``out`` exists.
    """
    target = None if out is None else Path(out)
    files = [] if target is None else [target.with_name(target.name + ending) for ending in ("", "-wal", "-shm")]
    for file in files:  # SQLite would take a journal beside the new file for its own
        if os.path.lexists(file):
            raise UsageError(f"{file} exists already: a replay is written to a new file")
    with extras_named(), opened_record(record) as source:
        chosen = replayed_method(source.configuration["method"], method, n=n, k=k, t=t)
        try:
            with blocking(lambda: replay_record(source, chosen, target, scorer=scorer_given(scorer))) as made:
                return Replay(Evaluation.of(source), Evaluation.of(made), list(changes(source, made)))
        except BaseException:
            for file in files:
                file.unlink(missing_ok=True)
            raise


def replayed_method(
    recorded: dict[str, Any],
    given: str | Method | None = None,
    *,
    n: int | None = None,
    k: int | None = None,
    t: int | None = None,
) -> Method:
    """Return the method of a replay, the recorded one made smaller or changed; raise UsageError if that cannot be."""
    sizes = {"n": n, "k": k, "t": t}
    name = recorded["name"]
    if given is None or given == name:
        asked = {key: value for key, value in sizes.items() if value is not None}
        method = method_named(**{**recorded, **asked})
    elif isinstance(given, str):
        method = method_named(given, **{**sizes, "n": recorded["n"] if n is None else n})
    else:
        method = method_given(given, **sizes)
    told = method.settings()
    same = (
        method.name == name
        and all(value == recorded.get(key) for key, value in told.items() if key not in ("name", "t", "answer"))
        and all(key in told for key in recorded if key != "answer")
    )
    smaller = method.size(1) <= recorded["n"] if method.t == 1 else same and method.t <= recorded["t"]
    if not smaller:
        raise UsageError(
            f"a record of {dict(recorded)} cannot be replayed as {dict(told)}: it serves the same method "
            "with a smaller t, or methods of one population with n up to its own"
        )
    if method.judgements and method.name != name:
        raise UsageError(f"{method.name} asks the model what it thinks of its answers, and a replay has no model")
    return method


async def replay_record(
    source: Record, method: Method, out: Path | None = None, *, scorer: Scorer | None = None
) -> Record:
    """Score, group and weigh a record's generations anew, in a new record, in memory if there is no file ``out``.

    The method is from `replayed_method`. The new record is open; questions that are not complete in ``source`` are left
    out, and UsageError is raised if none is complete.
    """
    configuration = source.configuration
    other = method.name != configuration["method"]["name"]
    needed = sum(method.size(t) for t in range(1, method.t + 1))
    where, values = "t <= ? AND i < ?" + (" AND role = 'candidate'" if other else ""), (method.t, method.n)
    counted = f"SELECT question, sum(role = 'candidate') FROM generations WHERE {where} GROUP BY question"  # noqa: S608
    counts = dict(source.query(counted, values))
    # Of the same method, a question that stopped has fewer members and is complete.
    done = () if other else {p for (p,) in source.query("SELECT position FROM questions WHERE weights IS NOT NULL")}
    complete = [position for position in sorted(counts) if counts[position] >= needed or position in done]
    if not complete:
        raise UsageError(f"record {source.path} holds no question whose members are all there")
    questions = list(source.questions())
    record = Record(out)
    try:
        named = {} if scorer is None else {"scorer": getattr(scorer, "name", None)}
        kept = {key: value for key, value in configuration.items() if key != "scorer"}
        record.begin({**kept, "method": dict(method.settings()), **named}, questions, source.about)
        record.copy_from(source, where=where, values=values, scores=False)
        settings = Settings(seed=configuration["seed"], candidate=configuration["candidate"], scorer=scorer)
        engine = Engine(NoModel(configuration["model"]), settings, record, as_recorded=True)
        await evaluate(engine, method, questions, only=complete)
    except BaseException:
        record.close()
        raise
    return record


def changes(source: Record, replayed: Record) -> Iterator[Change]:
    """Yield the members that a replay reads or scores otherwise than the record did, in order."""
    scored = "SELECT t, i, answer, score FROM scores WHERE question = ? ORDER BY t, i"
    for position, name in replayed.query("SELECT position, id FROM questions WHERE weights IS NOT NULL"):
        before = {(t, i): (answer, score) for t, i, answer, score in source.query(scored, (position,))}
        for t, i, answer, score in replayed.query(scored, (position,)):
            if (old := before.get((t, i))) and old != (answer, score):
                yield Change(name, t, i, (old[0], answer), (old[1], score))


class NoModel(AlwaysOpen):
    """A model for replays: it refuses every call that the record cannot answer."""

    concurrency = 256
    context: int | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    async def sample(self, request: Request) -> Reply:
        """Refuse the call."""
        raise ModelError(
            f"question {request.question.id}: the record lacks a generation that this needs, and a replay has no model",
            fatal=True,
        )

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return 0: nothing is fitted in a replay."""
        return 0
