import asyncio
import random

import pytest

from selfagg.run.call_queue import CallQueue, RequestQueue


async def test_never_more_inside_than_the_limit_and_everyone_gets_in() -> None:
    queue, inside, most, served = CallQueue(3), 0, 0, 0

    async def visit(chance: random.Random) -> None:
        nonlocal inside, most, served
        async with queue.enter((chance.randrange(5),)):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(chance.random() / 1000)
            inside -= 1
            served += 1

    await asyncio.gather(*(visit(random.Random(i)) for i in range(200)))
    assert (most, served, queue.inside, queue.waiting) == (3, 200, 0, 0)


async def test_the_most_urgent_goes_first_and_equals_in_order_of_arrival() -> None:
    queue, order = CallQueue(1), []

    async def visit(name: str, priority: tuple[int, ...]) -> None:
        async with queue.enter(priority):
            order.append(name)

    async with queue.enter():
        visits = [
            asyncio.create_task(visit(name, priority))
            for name, priority in (("late", (1, -2)), ("shallow", (0, -1)), ("deep", (0, -2)), ("deep too", (0, -2)))
        ]
        await asyncio.sleep(0)
        assert queue.waiting == 4
    await asyncio.gather(*visits)
    assert order == ["deep", "deep too", "shallow", "late"]


async def test_cancelled_visitors_lose_no_place() -> None:
    queue = CallQueue(2)

    async def visit() -> None:
        async with queue.enter():
            await asyncio.sleep(0.0005)

    chance = random.Random(1)
    for _ in range(50):
        visits = [asyncio.create_task(visit()) for _ in range(10)]
        await asyncio.sleep(chance.random() / 1000)
        for task in chance.sample(visits, 5):
            task.cancel()
        await asyncio.gather(*visits, return_exceptions=True)
    assert (queue.inside, queue.waiting) == (0, 0)


async def test_an_error_inside_gives_the_place_back() -> None:
    queue = CallQueue(1)
    with pytest.raises(ZeroDivisionError):
        async with queue.enter():
            raise ZeroDivisionError
    assert queue.inside == 0


async def test_a_request_with_one_call_does_not_wait_behind_one_with_many() -> None:
    queue, order = CallQueue(1), []

    async def call(request: RequestQueue, name: str) -> None:
        async with request.enter():
            order.append(name)
            await asyncio.sleep(0)

    greedy, modest = queue.request(), queue.request()
    calls = [asyncio.create_task(call(greedy, "greedy")) for _ in range(50)]
    await asyncio.sleep(0.001)
    served = len(order)
    await call(modest, "modest")
    assert order.index("modest") <= served + 2
    await asyncio.gather(*calls)


async def test_requests_of_equal_size_are_served_in_turns() -> None:
    queue, order = CallQueue(2), []

    async def call(request: RequestQueue, name: int) -> None:
        async with request.enter():
            order.append(name)
            await asyncio.sleep(0)

    lanes = [queue.request() for _ in range(5)]
    await asyncio.gather(*(call(request, name) for name, request in enumerate(lanes) for _ in range(10)))
    for end in range(10, 50, 5):
        counts = [order[:end].count(name) for name in range(5)]
        assert max(counts) - min(counts) <= 3


async def test_nobody_stays_inside() -> None:
    queue = CallQueue(2)
    request = queue.request()

    async def call() -> None:
        async with request.enter((1, 2)):
            await asyncio.sleep(10)

    calls = [asyncio.create_task(call()) for _ in range(5)]
    await asyncio.sleep(0)
    for one in calls:
        one.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert (queue.inside, queue.waiting) == (0, 0)
