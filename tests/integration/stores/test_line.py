"""The line of interactive texts on a real Redis: whose turn it is, who is woken, what it tells."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.contracts.queue.messages import RunCompletion
from shared.stores.queue.celery_app import make_celery
from shared.stores.queue.line import BELL, TURNS, LineFigures, ServingLine, Taken, Waiting
from shared.stores.queue.sender import TaskSender
from shared.stores.redis.connection import open_redis
from tests.support.stack import PrivateRedis


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = open_redis(redis_url)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
def line(redis: Redis) -> ServingLine:
    return ServingLine(redis)


async def take_ids(line: ServingLine, count: int, *, most: int = 100, held: dict[str, int] | None = None) -> list[str]:
    taken = await line.take(count, most=most, held=held or {})
    return [text.completion_id for text in taken.texts]


async def test_thousands_of_texts_of_one_project_are_one_turn_to_the_others(line: ServingLine) -> None:
    await line.put("crowd", [f"c{number:04}" for number in range(5000)])
    for number in range(10):
        await line.put(f"other{number}", [f"o{number}"])
    assert await take_ids(line, 11) == ["c0000", *(f"o{number}" for number in range(10))]
    assert await take_ids(line, 3) == ["c0001", "c0002", "c0003"]


async def test_the_texts_of_a_project_keep_their_order_and_a_text_put_again_its_place(line: ServingLine) -> None:
    for text in ("b", "a", "c"):
        await line.put("p", [text])
        await asyncio.sleep(0.002)  # places are told apart by the millisecond
    await line.put("p", ["b"])
    assert await take_ids(line, 9) == ["b", "a", "c"]
    assert await line.take(9, most=9, held={}) == Taken([], are_left=False)


async def test_a_project_that_holds_the_most_keeps_its_texts_and_others_are_served(line: ServingLine) -> None:
    await line.put("full", ["f1", "f2"])
    await line.put("other", ["o1", "o2"])
    taken = await line.take(9, most=2, held={"full": 2})
    assert (taken.texts, taken.are_left) == ([Waiting("other", "o1"), Waiting("other", "o2")], True)
    assert await take_ids(line, 9) == ["f1", "f2"]


async def test_no_project_gets_more_than_the_most_in_one_go(line: ServingLine) -> None:
    await line.put("crowd", [f"c{number}" for number in range(9)])
    assert await take_ids(line, 9, most=5, held={"crowd": 1}) == ["c0", "c1", "c2", "c3"]
    await line.put("other", ["o"])
    assert await take_ids(line, 9, most=5, held={"crowd": 5}) == ["o"]


async def test_one_bell_is_rung_whatever_comes_and_again_only_for_what_is_left(line: ServingLine, redis: Redis) -> None:
    await line.put("p", ["a", "b"])
    await line.put("q", ["c"])
    assert await redis.llen(BELL) == 1
    await line.wait_for_bell(1)
    assert await take_ids(line, 2) == ["a", "c"]
    assert await redis.llen(BELL) == 1, "one is left: another worker is woken"
    await line.wait_for_bell(1)
    assert await take_ids(line, 2) == ["b"]
    assert await redis.exists(BELL, TURNS) == 0


async def test_another_worker_is_woken_for_what_one_may_not_hold(line: ServingLine, redis: Redis) -> None:
    await line.put("crowd", ["a", "b"])
    await line.wait_for_bell(1)
    assert await take_ids(line, 4, most=1) == ["a"]
    assert await redis.llen(BELL) == 1


async def test_nobody_is_woken_for_projects_that_hold_the_most(line: ServingLine, redis: Redis) -> None:
    await line.put("full", ["f"])
    await line.wait_for_bell(1)
    assert await take_ids(line, 4, most=1, held={"full": 1}) == []
    assert await redis.llen(BELL) == 0, "whoever rings for itself would turn in circles"


async def test_a_text_put_wakes_who_waits_within_milliseconds(line: ServingLine, redis_url: str) -> None:
    other = open_redis(redis_url)
    waiting = asyncio.create_task(ServingLine(other).wait_for_bell(5))
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    await line.put("p", ["a"])
    await waiting
    assert time.monotonic() - begun < 2
    await other.aclose()


async def test_the_line_tells_its_depth_and_the_age_of_its_oldest_text(line: ServingLine) -> None:
    assert await line.measure() == LineFigures(0, 0.0)
    await line.put("p", ["a", "b"])
    await asyncio.sleep(0.3)
    await line.put("q", ["c"])
    figures = await line.measure()
    assert figures.depth == 3
    assert 0.2 < figures.oldest_seconds < 60


async def test_scripts_that_a_restarted_redis_has_forgotten_are_loaded_again(line: ServingLine, redis: Redis) -> None:
    await line.put("p", ["a"])
    await redis.script_flush()
    await line.put("p", ["b"])
    await redis.script_flush()
    assert await take_ids(line, 2) == ["a", "b"]


async def test_a_text_that_could_not_be_put_is_put_when_redis_is_back(tmp_path: Path) -> None:
    with PrivateRedis(tmp_path) as server:
        client = open_redis(server.url)
        line = ServingLine(client)
        sender = TaskSender(make_celery(server.url), line)
        server.kill()
        assert not await sender.send(RunCompletion("a", "p"))
        assert not await sender.send(RunCompletion("b", "p"))
        await asyncio.to_thread(server.start)
        begun = time.monotonic()
        while (await line.measure()).depth < 2:
            assert time.monotonic() - begun < 5
            await asyncio.sleep(0.05)
        assert await take_ids(line, 2) == ["a", "b"]
        sender.close()
        await client.aclose()
