"""Large bodies that came whole at once are read in one turn of the event loop each."""

import asyncio

from services.gateway.http.body_turns import SMALL_BYTES, BodyTurns

LARGE, SMALL = b" " * (SMALL_BYTES + 1), b" "


async def test_what_else_is_ready_goes_on_between_two_large_bodies() -> None:
    turns, told = BodyTurns(), []

    async def read(body: bytes, name: str) -> None:
        async with turns.of(body):
            told.append(name)

    async def tick() -> None:
        while len(told) < 9:
            told.append("tick")
            await asyncio.sleep(0)

    await asyncio.gather(*(read(LARGE, f"body {number}") for number in range(3)), tick())
    between = [told[told.index(f"body {number}") + 1] for number in range(2)]
    assert between == ["tick", "tick"], told


async def test_a_small_body_waits_for_none() -> None:
    turns, told = BodyTurns(), []

    async def read(body: bytes) -> None:
        async with turns.of(body):
            told.append(len(body))

    async with turns.of(LARGE):
        await asyncio.gather(*(read(SMALL) for _ in range(3)))
    assert told == [1, 1, 1]
