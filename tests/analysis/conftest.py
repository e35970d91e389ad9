"""Records written by hand: a population is a string, a character a member.

``R`` is the right answer, a small letter a wrong one, a digit d a wrong one worth d tenths, ``-`` no answer, ``/`` no
answer because the reply was cut, ``!`` a failed call, ``?`` an answer that could not be scored, ``~`` a wrong one whose
tokens the server did not tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import Generation, Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Member, Question, Reply, Stop, Usage

Parents = Sequence[Sequence[Sequence[int]]]


@pytest.fixture
def write() -> Iterator[Callable[..., Record]]:
    """Writes a record in memory.

    ``questions``: for each its populations. ``parents``: for each question, for each population after the first, for
    each member its parents; none given, all members are parents. ``weights``: for each question, None while it is not
    done; none given, all are done and each last member is as good as another.
    """
    with ExitStack() as stack:

        def written(
            questions: Sequence[Sequence[str]],
            *,
            parents: Sequence[Parents] | None = None,
            weights: Sequence[Sequence[float] | None] | None = None,
            gold: bool = True,
            groups: Sequence[str] | None = None,
            ids: Sequence[str] | None = None,
            **configuration: Any,
        ) -> Record:
            record = stack.enter_context(Record(None))
            names = ids or [f"q{p}" for p in range(len(questions))]
            asked = [
                Question(name, f"Question {name}?", gold="R" if gold else None, group=groups[p] if groups else "")
                for p, name in enumerate(names)
            ]
            method = {"name": "rsa", "n": len(questions[0][0]), "k": 2, "t": len(questions[0])}
            record.begin({"method": method, "model": "simulated:", "seed": 1, **configuration}, asked)

            async def save() -> None:
                for position, populations in enumerate(questions):
                    drawn = parents[position] if parents else None
                    last = len(populations[-1])
                    weight = weights[position] if weights else [1 / last] * last
                    await _save(record, position, populations, drawn, weight, gold)

            asyncio.run(save())
            return record

        yield written


async def _save(
    record: Record,
    position: int,
    populations: Sequence[str],
    parents: Parents | None,
    weights: Sequence[float] | None,
    gold: bool,
) -> None:
    for t, population in enumerate(populations, start=1):
        members = []
        for i, mark in enumerate(population):
            drawn: Sequence[int] = ()
            if t > 1:
                drawn = parents[t - 2][i] if parents else range(len(populations[t - 2]))
            member = _member(t, i, mark, tuple(drawn), gold)
            await record.save(Generation(position, member, tries=1))
            await record.save_score(position, member, "the check ran out of time" if mark == "?" else "")
            members.append(member)
        answers = sorted({member.answer for member in members if member.answer is not None})
        if weights is not None:
            await record.save_groups(position, [[m for m in members if m.answer == answer] for answer in answers])
    if weights is not None:
        await record.save_weights(position, weights)


def _member(t: int, i: int, mark: str, parents: tuple[int, ...], gold: bool) -> Member:
    score = (1.0 if mark == "R" else int(mark) / 10 if mark.isdigit() else 0.0) if gold and mark != "?" else None
    if mark == "!":
        return Member(t, i, parents, error="it failed", score=score)
    stop = Stop.LENGTH if mark == "/" else Stop.FINISHED
    # Member i of population t: 10 t + i tokens of reply, 100 t of prompt, t + i / 10 seconds.
    usage = Usage(unknown=1) if mark == "~" else Usage(100 * t, 10 * t, 10 * t + i, 1)
    reply = Reply(f"<answer>{mark}</answer>", stop=stop, usage=usage, seconds=t + i / 10)
    return Member(t, i, parents, reply, answer=None if mark in "-/" else mark, score=score)


SIMULATION = Simulation(p=0.4, spread=0.4, rescue=0.1, keep=0.9, tokens=60)


@pytest.fixture(scope="session")
def simulated_run() -> Iterator[Record]:
    """RSA with N=8, K=3, T=5 on 150 questions by a simulated model with r_c = 0.1, 0.37, 0.63, 0.9."""
    method = RSA(n=8, k=3, t=5)
    questions = [Question(f"q{p}", f"Question {p}?", gold=f"right {p}", group=f"task {p % 2}") for p in range(150)]
    with Record(None) as record:
        record.begin(configuration(method, "simulated:", Settings(), "test"), questions)
        asyncio.run(evaluate(Engine(SimulatedModel(SIMULATION), Settings(), record), method, questions))
        yield record
