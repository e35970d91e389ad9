import asyncio
import random

import pytest

from selfagg.engine.gate import Gate


async def test_never_more_inside_than_the_limit_and_everyone_gets_in() -> None:
    gate, inside, most, served = Gate(3), 0, 0, 0

    async def visit(chance: random.Random) -> None:
        nonlocal inside, most, served
        async with gate.enter((chance.randrange(5),)):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(chance.random() / 1000)
            inside -= 1
            served += 1

    await asyncio.gather(*(visit(random.Random(i)) for i in range(200)))
    assert (most, served, gate.inside, gate.waiting) == (3, 200, 0, 0)


async def test_the_most_urgent_goes_first_and_equals_in_order_of_arrival() -> None:
    gate, order = Gate(1), []

    async def visit(name: str, priority: tuple[int, ...]) -> None:
        async with gate.enter(priority):
            order.append(name)

    async with gate.enter():
        visits = [
            asyncio.create_task(visit(name, priority))
            for name, priority in (("late", (1, -2)), ("shallow", (0, -1)), ("deep", (0, -2)), ("deep too", (0, -2)))
        ]
        await asyncio.sleep(0)
        assert gate.waiting == 4
    await asyncio.gather(*visits)
    assert order == ["deep", "deep too", "shallow", "late"]


async def test_cancelled_visitors_lose_no_place() -> None:
    gate = Gate(2)

    async def visit() -> None:
        async with gate.enter():
            await asyncio.sleep(0.0005)

    chance = random.Random(1)
    for _ in range(50):
        visits = [asyncio.create_task(visit()) for _ in range(10)]
        await asyncio.sleep(chance.random() / 1000)
        for task in chance.sample(visits, 5):
            task.cancel()
        await asyncio.gather(*visits, return_exceptions=True)
    assert (gate.inside, gate.waiting) == (0, 0)


async def test_an_error_inside_gives_the_place_back() -> None:
    gate = Gate(1)
    with pytest.raises(ZeroDivisionError):
        async with gate.enter():
            raise ZeroDivisionError
    assert gate.inside == 0
