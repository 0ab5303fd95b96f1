"""A loop ends when it is told to, also where its first cancellation is lost."""

import asyncio

from shared.cancellation import cancel_tasks


async def test_a_loop_that_loses_its_first_cancellation_ends_all_the_same() -> None:
    lost = []

    async def run_for_ever() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:  # as wait_for of Python 3.11 does, when a result comes at that moment
                if lost:
                    raise
                lost.append(True)

    loop = asyncio.create_task(run_for_ever())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await cancel_tasks([None, loop])
    assert lost
    assert loop.cancelled()
