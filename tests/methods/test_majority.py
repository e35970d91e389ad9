"""Votes of independent samples."""

from __future__ import annotations

from tests.methods.made import made

from selfagg.methods import Majority
from selfagg.models.simulated import SimulatedModel, Simulation


async def test_the_majority_has_all_the_weight() -> None:
    members, weights = await made(Majority(n=9), SimulatedModel(Simulation(p=0.6, wrong=2)))
    answers = [members[1, i].answer for i in range(9)]
    most = max(answers, key=answers.count)
    assert weights == [float(i == answers.index(most)) for i in range(9)]
    assert sum(weights) == 1


async def test_where_nobody_answers_all_weigh_alike() -> None:
    assert (await made(Majority(n=4), SimulatedModel(Simulation(unanswered=1))))[1] == [0.25] * 4
