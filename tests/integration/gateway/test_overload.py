"""A gateway at its limits, or cut off from its stores, in the way that each client treats rightly."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from shared.stores.redis.connection import open_redis
from shared.streams.control import is_cancel_requested
from tests.support.gateway import assert_openai_error, new_name, open_mill
from tests.support.gateway_fixtures import Stores
from tests.support.interactive import eventually_async
from tests.support.stack import PrivatePostgres, PrivateRedis
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASK = {"model": MODEL, "prompt": "x"}


async def test_a_project_with_too_many_open_texts_is_told_to_come_back(stores: Stores, tmp_path: Path) -> None:
    limits = {"max_open_completions": 3}
    async with (
        open_mill(tmp_path, database_url=stores.database_url, redis_url=stores.redis_url, **limits) as mill,
        await mill.client(new_name("busy")) as client,
        await mill.client(new_name("idle")) as other,
    ):
        for _ in range(3):
            assert (await client.post("/v1/streams", json=ASK)).status_code == 202
        before = await mill.count_rows()
        for path, body in (("/v1/completions", ASK), ("/v1/streams", ASK)):
            response = await client.post(path, json=body)
            assert_openai_error(response, 429, type="rate_limit_error", code="rate_limit_exceeded")
            assert int(response.headers["retry-after"]) >= 1
            assert int(response.headers["retry-after-ms"]) >= 1000
        assert await mill.count_rows() == before
        assert (await other.post("/v1/streams", json=ASK)).status_code == 202


async def test_of_many_posts_at_once_only_as_many_pass_as_the_limit_says(stores: Stores, tmp_path: Path) -> None:
    limits = {"max_open_completions": 1}
    async with (
        open_mill(tmp_path, database_url=stores.database_url, redis_url=stores.redis_url, **limits) as mill,
        await mill.client(new_name("crowd")) as client,
    ):
        answers = await asyncio.gather(*(client.post("/v1/streams", json=ASK) for _ in range(50)))
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(202) == 1
        assert set(statuses) <= {202, 429, 503}  # 503: no connection in time, on a machine that is very busy


async def test_a_text_that_is_not_done_in_time_is_cancelled_and_answered_504(stores: Stores, tmp_path: Path) -> None:
    async with (
        open_mill(
            tmp_path, database_url=stores.database_url, redis_url=stores.redis_url, answer_timeout_seconds=0.5
        ) as mill,
        await mill.client(new_name("patient")) as client,
    ):
        stream = (await client.post("/v1/streams", json=ASK)).json()  # nobody works on it
        assert_openai_error(await client.post("/v1/completions", json=ASK), 504, code="deadline_exceeded")
        redis = open_redis(stores.redis_url)
        assert not await is_cancel_requested(redis, stream["id"])
        await redis.aclose()


async def test_without_stores_completions_answer_429_and_the_rest_503(tmp_path: Path) -> None:
    with PrivatePostgres(tmp_path / "postgres") as postgres, PrivateRedis(tmp_path / "redis") as redis:
        database_url = postgres.database_url(postgres.create_database())
        async with (
            open_mill(tmp_path, database_url=database_url, redis_url=redis.url) as mill,
            await mill.client() as client,
        ):
            assert (await client.get("/readyz")).status_code == 200
            redis.stop()
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["problems"]) == (503, ["redis is out of reach"])
            assert (await client.get("/v1/recipes")).status_code == 200
            accepted = await client.post("/v1/streams", json=ASK)
            assert accepted.status_code == 202  # the row waits; the reaper sends it
            assert_openai_error(await client.post("/v1/tickets"), 503, type="server_error")
            redis.start()
            await wait_until_ready(client)
            postgres.stop()
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["problems"]) == (503, ["postgres is out of reach"])
            assert (await client.get("/livez")).status_code == 200
            assert_openai_error(await client.get("/v1/recipes"), 503, code="service_unavailable")
            response = await client.post("/v1/completions", json=ASK)
            assert_openai_error(response, 429, type="rate_limit_error")
            assert "retry-after" in response.headers
            postgres.start()
            await wait_until_ready(client)
            assert (await client.get("/v1/recipes")).status_code == 200


async def wait_until_ready(client: httpx2.AsyncClient) -> None:
    """Wait until the gateway says that it is ready."""

    async def is_ready() -> bool:
        return (await client.get("/readyz")).status_code == 200

    await eventually_async(is_ready, what="the gateway to be ready again")
