"""The gate that many requests share: each gets its turn."""

import asyncio

from selfagg.engine.fair import FairGate, Lane


async def test_a_request_with_one_call_does_not_wait_behind_one_with_many() -> None:
    gate, order = FairGate(1), []

    async def call(lane: Lane, name: str) -> None:
        async with lane.enter():
            order.append(name)
            await asyncio.sleep(0)

    greedy, modest = gate.lane(), gate.lane()
    calls = [asyncio.create_task(call(greedy, "greedy")) for _ in range(50)]
    await asyncio.sleep(0.001)
    served = len(order)
    await call(modest, "modest")
    assert order.index("modest") <= served + 2
    await asyncio.gather(*calls)


async def test_requests_of_equal_size_are_served_in_turns() -> None:
    gate, order = FairGate(2), []

    async def call(lane: Lane, name: int) -> None:
        async with lane.enter():
            order.append(name)
            await asyncio.sleep(0)

    lanes = [gate.lane() for _ in range(5)]
    await asyncio.gather(*(call(lane, name) for name, lane in enumerate(lanes) for _ in range(10)))
    for end in range(10, 50, 5):
        counts = [order[:end].count(name) for name in range(5)]
        assert max(counts) - min(counts) <= 3


async def test_nobody_stays_inside() -> None:
    gate = FairGate(2)
    lane = gate.lane()

    async def call() -> None:
        async with lane.enter((1, 2)):
            await asyncio.sleep(10)

    calls = [asyncio.create_task(call()) for _ in range(5)]
    await asyncio.sleep(0)
    for one in calls:
        one.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert (gate.inside, gate.waiting) == (0, 0)
