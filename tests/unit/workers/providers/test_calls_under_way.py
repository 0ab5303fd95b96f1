"""How long answers take, and what is seen of a provider that takes calls and answers none."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from services.workers.providers.calls_under_way import HUNG_CALLS, LOST, SHORTEST_PROBE_SECONDS, CallsUnderWay
from shared.outside.providers.failures import FailureClass, LlmError

PATIENCE_SECONDS = 0.05
WHAT = "m whole"


async def answer(calls: CallsUnderWay, what: str = WHAT) -> None:
    async with calls.follow(what, None):
        await asyncio.sleep(0)


async def test_calls_that_hang_while_none_is_answered_mean_silence() -> None:
    calls = CallsUnderWay(PATIENCE_SECONDS)
    await answer(calls)
    async with AsyncExitStack() as stack:
        for _ in range(HUNG_CALLS):
            await stack.enter_async_context(calls.follow(WHAT, None))
        assert not calls.has_fallen_silent()
        await asyncio.sleep(2 * PATIENCE_SECONDS)
        assert calls.has_fallen_silent()
        await answer(calls)
        assert not calls.has_fallen_silent()


async def test_few_calls_or_calls_of_a_model_that_nobody_knows_may_take_their_time() -> None:
    calls = CallsUnderWay(PATIENCE_SECONDS)
    await answer(calls)
    async with AsyncExitStack() as stack:
        for number in range(2 * HUNG_CALLS):
            what = WHAT if number < HUNG_CALLS - 1 else "slow whole"
            await stack.enter_async_context(calls.follow(what, None))
        await asyncio.sleep(2 * PATIENCE_SECONDS)
        assert not calls.has_fallen_silent()


async def test_a_stream_whose_first_token_came_may_take_its_time() -> None:
    calls = CallsUnderWay(PATIENCE_SECONDS)
    await answer(calls)
    async with AsyncExitStack() as stack:
        for _ in range(HUNG_CALLS):
            (await stack.enter_async_context(calls.follow(WHAT, PATIENCE_SECONDS))).note_answer()
        await asyncio.sleep(2 * PATIENCE_SECONDS)
        assert not calls.has_fallen_silent()


async def test_what_a_provider_that_is_back_has_forgotten_ends_and_what_is_newer_stays() -> None:
    calls = CallsUnderWay(PATIENCE_SECONDS)
    await answer(calls)

    async def hang() -> None:
        async with calls.follow(WHAT, None):
            await asyncio.sleep(60)

    old = asyncio.create_task(hang())
    await asyncio.sleep(2 * PATIENCE_SECONDS)
    back_at = asyncio.get_running_loop().time()
    new = asyncio.create_task(hang())
    await asyncio.sleep(2 * PATIENCE_SECONDS)
    calls.end_lost(back_at)
    with pytest.raises(LlmError) as raised:
        await old
    assert (raised.value.failure_class, raised.value.code) == (FailureClass.TIMEOUT, LOST)
    assert not new.done()
    new.cancel()


async def test_a_probe_may_take_a_few_times_the_usual_and_more_the_longer_the_provider_is_down() -> None:
    calls = CallsUnderWay(PATIENCE_SECONDS)
    assert calls.find_probe_limit(WHAT, 0) is None
    await answer(calls)
    assert calls.find_probe_limit(WHAT, 0) == SHORTEST_PROBE_SECONDS
    assert calls.find_probe_limit(WHAT, 1800) == 4 * SHORTEST_PROBE_SECONDS


async def test_a_probe_that_hangs_fails_at_its_limit() -> None:
    calls = CallsUnderWay(PATIENCE_SECONDS)
    with pytest.raises(LlmError, match="took the call"):
        async with calls.follow(WHAT, PATIENCE_SECONDS):
            await asyncio.sleep(60)
    assert len(calls) == 0


async def test_what_somebody_waits_for_ends_when_the_provider_is_down_for_longer_than_they_wait() -> None:
    calls = CallsUnderWay(PATIENCE_SECONDS)
    await answer(calls)

    async def hang(grace_seconds: float | None) -> None:
        async with calls.follow(WHAT, None, grace_seconds):
            await asyncio.sleep(60)

    awaited, patient, volume = (asyncio.create_task(hang(grace)) for grace in (1.0, 10.0, None))
    await asyncio.sleep(2 * PATIENCE_SECONDS)
    calls.end_awaited(0.5)
    await asyncio.sleep(0)
    assert not awaited.done()
    calls.end_awaited(2.0)
    with pytest.raises(LlmError) as caught:
        await awaited
    assert (caught.value.failure_class, caught.value.code) == (FailureClass.TIMEOUT, LOST)
    assert [task.done() for task in (patient, volume)] == [False, False]
    for task in (patient, volume):
        task.cancel()
    await asyncio.gather(patient, volume, return_exceptions=True)
