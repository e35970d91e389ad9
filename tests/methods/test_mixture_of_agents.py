"""Layers that see the whole layer before."""

from __future__ import annotations

from tests.methods.made import made

from selfagg.methods import MixtureOfAgents


async def test_layers_of_agents_see_the_whole_layer_before_and_end_in_one() -> None:
    method = MixtureOfAgents(n=3, t=3)
    members, weights = await made(method)
    assert [method.size(t) for t in (1, 2, 3)] == [3, 3, 1]
    assert {address for address in members if address[0] == 3} == {(3, 0)}
    assert all(member.parents == (0, 1, 2) for (t, _), member in members.items() if t > 1)
    assert (weights, method.parents, method.calls) == ([1.0], 3, 7)
    assert MixtureOfAgents(n=3, t=1).size(1) == 3
