"""The gate that many requests share: each gets its turn."""

import asyncio

from selfagg.run.limiter import FairLimiter, RequestLimiter


async def test_a_request_with_one_call_does_not_wait_behind_one_with_many() -> None:
    call_limiter, order = FairLimiter(1), []

    async def call(request_limiter: RequestLimiter, name: str) -> None:
        async with request_limiter.enter():
            order.append(name)
            await asyncio.sleep(0)

    greedy, modest = call_limiter.request_limiter(), call_limiter.request_limiter()
    calls = [asyncio.create_task(call(greedy, "greedy")) for _ in range(50)]
    await asyncio.sleep(0.001)
    served = len(order)
    await call(modest, "modest")
    assert order.index("modest") <= served + 2
    await asyncio.gather(*calls)


async def test_requests_of_equal_size_are_served_in_turns() -> None:
    call_limiter, order = FairLimiter(2), []

    async def call(request_limiter: RequestLimiter, name: int) -> None:
        async with request_limiter.enter():
            order.append(name)
            await asyncio.sleep(0)

    lanes = [call_limiter.request_limiter() for _ in range(5)]
    await asyncio.gather(
        *(call(request_limiter, name) for name, request_limiter in enumerate(lanes) for _ in range(10))
    )
    for end in range(10, 50, 5):
        counts = [order[:end].count(name) for name in range(5)]
        assert max(counts) - min(counts) <= 3


async def test_nobody_stays_inside() -> None:
    call_limiter = FairLimiter(2)
    request_limiter = call_limiter.request_limiter()

    async def call() -> None:
        async with request_limiter.enter((1, 2)):
            await asyncio.sleep(10)

    calls = [asyncio.create_task(call()) for _ in range(5)]
    await asyncio.sleep(0)
    for one in calls:
        one.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert (call_limiter.inside, call_limiter.waiting) == (0, 0)
