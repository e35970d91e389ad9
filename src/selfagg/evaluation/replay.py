"""Read a record again without a model: new scores, another vote, a smaller run out of a larger one; list changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfagg.errors import ModelError, UsageError
from selfagg.methods import method_given, method_named
from selfagg.methods.base import Method
from selfagg.models.base import AlwaysOpen
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.scoring.base import Scorer
from selfagg.types import Message, Reply, Request


class NoModel(AlwaysOpen):
    """A model for replays: it refuses every call that the record cannot answer."""

    concurrency = 256
    context: int | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    async def sample(self, request: Request) -> Reply:
        """Refuse the call: a replay has no model."""
        raise ModelError(
            f"question {request.question.id}: the record lacks a generation that this needs, and a replay has no model",
            fatal=True,
        )

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return 0: nothing is fitted in a replay."""
        return 0


def replayed_method(
    recorded: dict[str, object],
    given: str | Method | None = None,
    *,
    n: int | None = None,
    k: int | None = None,
    t: int | None = None,
) -> Method:
    """Return the method of a replay: the recorded one, made smaller or changed as asked.

    Raises:
        UsageError: The recorded generations cannot serve it.
    """
    method = _resized(recorded, given, {"n": n, "k": k, "t": t})
    same = (
        method.name == recorded["name"]
        and all(
            value == recorded.get(key) for key, value in method.settings().items() if key not in ("name", "t", "answer")
        )
        and all(key in method.settings() for key in recorded if key != "answer")
    )
    smaller = (
        method.size(1) <= int(str(recorded["n"])) if method.t == 1 else same and method.t <= int(str(recorded["t"]))
    )
    if not smaller:
        raise UsageError(
            f"a record of {dict(recorded)} cannot be replayed as {dict(method.settings())}: it serves the same method "
            "with a smaller t, or methods of one population with n up to its own"
        )
    if method.judgements and method.name != recorded["name"]:
        raise UsageError(f"{method.name} asks the model what it thinks of its answers, and a replay has no model")
    return method


def _resized(recorded: dict[str, object], given: str | Method | None, sizes: dict[str, int | None]) -> Method:
    if given is not None and not isinstance(given, str):
        return method_given(given, **sizes)
    settings = {key: value for key, value in recorded.items() if key != "name"}
    if given is not None and given != recorded["name"]:
        settings = {"n": settings["n"]}
    asked = {key: value for key, value in sizes.items() if value is not None}
    return method_named(given or str(recorded["name"]), **{**settings, **asked})


async def replay(source: Record, method: Method, out: Path | None = None, *, scorer: Scorer | None = None) -> Record:
    """Score, group and weigh a record's generations anew.

    Args:
        source: The record; it is not changed.
        method: From `replayed_method`.
        out: The new record's file; None: in memory.
        scorer: Scores in place of the kinds' scorers.

    Returns:
        The new record, open; questions that are not complete in ``source`` are left out.

    Raises:
        UsageError: No question is complete.
    """
    configuration = source.configuration
    needed = sum(method.size(t) for t in range(1, method.t + 1))
    where = "t <= ? AND i < ?" + ("" if method.name == configuration["method"]["name"] else " AND role = 'candidate'")
    counted = f"SELECT question, sum(role = 'candidate') FROM generations WHERE {where} GROUP BY question"  # noqa: S608
    counts = dict(source.query(counted, (method.t, method.n)))
    done = {position for (position,) in source.query("SELECT position FROM questions WHERE weights IS NOT NULL")}
    if method.name != configuration["method"]["name"]:
        done.clear()  # of the same method a question that stopped has fewer members and is complete
    complete = [position for position in sorted(counts) if counts[position] >= needed or position in done]
    if not complete:
        raise UsageError(f"record {source.path} holds no question whose members are all there")
    questions = list(source.questions())
    record = Record(out)
    try:
        named = {} if scorer is None else {"scorer": getattr(scorer, "name", None)}
        kept = {key: value for key, value in configuration.items() if key != "scorer"}
        record.begin({**kept, "method": dict(method.settings()), **named}, questions, source.about)
        record.copy_from(source, where=where, values=(method.t, method.n), scores=False)
        settings = Settings(seed=configuration["seed"], candidate=configuration["candidate"], scorer=scorer)
        engine = Engine(NoModel(configuration["model"]), settings, record, retry_failed=False, as_recorded=True)
        await evaluate(engine, method, questions, only=complete)
    except BaseException:
        record.close()
        raise
    return record


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
        before, after = map(_verdict, self.answer, self.score)
        return before, after

    def as_json(self) -> dict[str, Any]:
        """Return one entry of ``changed`` in what ``selfagg replay --json`` prints."""
        named = {"question": self.question, "t": self.t, "i": self.i}
        return {**named, "answer": list(self.answer), "score": list(self.score)}


def changes(source: Record, replayed: Record) -> Iterator[Change]:
    """Yield the members that a replay reads or scores otherwise than the record, in order.

    Members that were never scored in the record are left out.
    """
    scored = "SELECT t, i, answer, score FROM scores WHERE question = ? ORDER BY t, i"
    for position, name in replayed.query("SELECT position, id FROM questions WHERE weights IS NOT NULL"):
        before = {(t, i): (answer, score) for t, i, answer, score in source.query(scored, (position,))}
        for t, i, answer, score in replayed.query(scored, (position,)):
            if (old := before.get((t, i))) and old != (answer, score):
                yield Change(name, t, i, (old[0], answer), (old[1], score))


def _verdict(answer: str | None, score: float | None) -> str:
    if score is not None and score >= 1:
        return "right"
    if answer is None:
        return "no answer"
    if score is None:
        return "unscored"
    return "partly right" if score > 0 else "wrong"
