"""RSA and its one-step form: which sets are drawn and shown, and what they cannot be set to."""

from __future__ import annotations

import pytest
from tests.methods.made import Scripted, made

from selfagg.errors import UsageError
from selfagg.methods import RSA, OneStep, method_named
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.run.subsets import draw_set, draw_sets
from selfagg.types import Reply


@pytest.mark.parametrize("order", ["random", "prefix"])
async def test_rsa_shows_the_sets_that_are_drawn_in_the_order_that_is_asked_for(order: str) -> None:
    members, weights = await made(RSA(n=8, k=3, t=3, order=order))  # type: ignore[arg-type]
    for t in (2, 3):
        sets = draw_sets(3, "q", t, n=8, k=3, order=order)  # type: ignore[arg-type]
        assert [members[t, i].parents for i in range(8)] == sets
    assert all(members[1, i].parents == () for i in range(8))
    assert weights == [1 / 8] * 8
    assert len(members) == RSA(n=8, k=3, t=3).calls == 24


def test_the_two_orders_differ() -> None:
    assert draw_sets(3, "q", 2, n=8, k=3) == [draw_set(3, "q", 2, i, n=8, k=3) for i in range(8)]
    assert draw_sets(3, "q", 2, n=8, k=3) != draw_sets(3, "q", 2, n=8, k=3, order="prefix")
    assert len(draw_sets(3, "q", 2, n=8, k=3, size=1)) == 1


async def test_one_step_is_rsa_with_two_populations() -> None:
    one, _ = await made(OneStep(n=4, k=2))
    two, _ = await made(RSA(n=4, k=2, t=2))
    assert {address: member.parents for address, member in one.items()} == {
        address: member.parents for address, member in two.items()
    }
    assert len(one) == 8


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n": 3, "k": 4}, "k = 4, but a set holds 1 to n = 3"),
        ({"k": 0}, "k = 0"),
        ({"order": "sorted"}, "order 'sorted'"),
        ({"layers": 2}, "method rsa has no setting layers; it has n, t, k, order"),
    ],
)
def test_what_rsa_cannot_be_set_to(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        method_named("rsa", **settings)


def test_a_set_may_be_one_member_or_all() -> None:
    assert (RSA(n=4, k=1).k, RSA(n=4, k=4).k) == (1, 4)


async def test_a_set_that_agrees_is_copied_where_that_is_asked_for() -> None:
    sure = Scripted({"6 * 7": "\\boxed{42}"})
    members, weights = await made(RSA(n=3, k=2, t=3, copy=True), sure)
    later = {(t, i) for t in (2, 3) for i in range(3)}
    assert {address for address, member in members.items() if member.copied} == later
    assert all(members[t, i].parents == draw_set(3, "q", t, i, n=3, k=2) for t, i in later)
    assert all(members[t, i].reply == Reply("\\boxed{42}", tries=0) for t, i in later)  # no tokens, no time
    assert (len(sure.requests), weights) == (3, [1 / 3] * 3)
    asked = Scripted({"6 * 7": "\\boxed{42}"})
    members, _ = await made(RSA(n=3, k=2, t=3), asked)
    assert (len(asked.requests), any(member.copied for member in members.values())) == (9, False)


async def test_a_set_that_disagrees_is_never_copied() -> None:
    members, _ = await made(RSA(n=4, k=4, t=2, copy=True), SimulatedModel(Simulation(p=0.5, wrong=2)))
    assert len({members[1, i].answer for i in range(4)}) > 1
    assert not any(member.copied for member in members.values())


@pytest.mark.parametrize(("text", "populations"), [("\\boxed{42}", 1), ("no answer", 3)])
async def test_a_population_that_agrees_is_the_last_and_one_that_does_not_is_not(text: str, populations: int) -> None:
    members, weights = await made(RSA(n=3, k=2, t=3, stop="unanimous"), Scripted({"6 * 7": text}))
    assert set(members) == {(t, i) for t in range(1, populations + 1) for i in range(3)}
    assert weights == ([1.0, 0.0, 0.0] if populations == 1 else [1 / 3] * 3)


async def test_the_last_population_votes_where_that_is_asked_for() -> None:
    method = RSA(n=5, k=2, t=2, answer="majority")
    members, weights = await made(method, SimulatedModel(Simulation(p=0.6, wrong=2)))
    answers = [members[2, i].answer for i in range(5)]
    assert weights == [float(i == answers.index(max(answers, key=answers.count))) for i in range(5)]
    assert (method.one_answer, RSA().one_answer, RSA(answer="sample").one_answer) == (False, True, True)
    assert (RSA(copy=True).compares, RSA(stop="unanimous").compares, method.compares) == (True, True, False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"copy": 1}, "copy 1 is neither True nor False"), ({"answer": "best"}, "answer 'best' is neither sample nor")],
)
def test_how_an_answer_is_not_chosen(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        method_named("rsa", **settings)
