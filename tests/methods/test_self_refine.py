"""Chains that each refine their own response."""

from __future__ import annotations

from tests.methods.made import made

from selfagg.methods import SelfRefine


async def test_self_refinement_keeps_to_its_chains() -> None:
    members, _ = await made(SelfRefine(n=3, t=3))
    assert {address: member.parents for address, member in members.items() if address[0] > 1} == {
        (t, i): (i,) for t in (2, 3) for i in range(3)
    }
    assert SelfRefine().parents == 1
