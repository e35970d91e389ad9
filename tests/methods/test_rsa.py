"""RSA and its one-step form: which sets are drawn and shown, and what they cannot be set to."""

from __future__ import annotations

import pytest
from tests.methods.made import made

from selfagg.errors import UsageError
from selfagg.methods import RSA, OneStep, method_named
from selfagg.run.subsets import draw_set, draw_sets


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
