"""The token bucket."""

import asyncio

from shared.http.token_bucket import TokenBucket


async def test_a_burst_passes_and_then_nothing_until_time_has_passed() -> None:
    bucket = TokenBucket(per_second=0.001, burst=3)
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]


async def test_those_who_wait_pass_at_the_rate_in_order() -> None:
    bucket = TokenBucket(per_second=200, burst=1)
    order: list[int] = []

    async def pass_through(number: int) -> None:
        await bucket.wait()
        order.append(number)

    started_at = asyncio.get_running_loop().time()
    await asyncio.gather(*(pass_through(number) for number in range(21)))
    assert order == list(range(21))
    assert asyncio.get_running_loop().time() - started_at >= 0.095
