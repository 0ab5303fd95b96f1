"""What a project may have, and how often a key may ask: 429 with the bound and its setting; others go on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.support.gateway import Mill, assert_openai_error, new_name, open_mill
from tests.support.gateway_fixtures import Stores
from tests.support.interactive import eventually_async
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUOTAS = (
    "max_files",
    "max_open_generations",
    "max_open_batches",
    "max_open_datasets",
    "max_open_uploads",
    "max_open_fine_tuning_jobs",
    "max_recipe_versions",
)
CONTENT = b'{"prompt":"a","completion":" b"}\n' * 10


def recipe(name: str) -> dict[str, Any]:
    """Two stories under a name."""
    content = {"template": "Write of {{ hero }}.", "attributes": {"hero": ["a cat", "a dog"]}, "model": MODEL}
    return {"name": name, **content}


async def upload(client: httpx2.AsyncClient, content: bytes = CONTENT, purpose: str = "fine-tune") -> httpx2.Response:
    """Post a file."""
    return await client.post("/v1/files", files={"file": ("a.jsonl", content)}, data={"purpose": purpose})


async def post(client: httpx2.AsyncClient, what: str) -> httpx2.Response:
    """Ask for one more of something."""
    files = (await client.get("/v1/files")).json()["data"]
    file_id = files[0]["id"] if files else ""
    match what:
        case "max_files":
            return await upload(client)
        case "max_recipe_versions":
            return await client.post("/v1/recipes", json=recipe(new_name("r")))
        case "max_open_generations":
            return await client.post("/v1/generations", json={"recipe": recipe("runs")})
        case "max_open_batches":
            found = (await client.get("/v1/files?purpose=batch")).json()["data"]
            requests = found[0] if found else (await upload(client, purpose="batch")).json()
            order = {"input_file_id": requests["id"], "endpoint": "/v1/completions", "completion_window": "24h"}
            return await client.post("/v1/batches", json=order)
        case "max_open_datasets":
            return await client.post("/v1/datasets", json={"sources": [{"file": file_id}]})
        case "max_open_uploads":
            announced = {"filename": "b", "purpose": "fine-tune", "bytes": 5, "mime_type": "text/jsonl"}
            return await client.post("/v1/uploads", json=announced)
        case _:
            return await client.post("/v1/fine_tuning/jobs", json={"model": MODEL, "training_file": file_id})


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def strict(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Mill, Path]]:
    """A gateway without workers, and its file of bounds."""
    folder = tmp_path_factory.mktemp("strict")
    bounds = folder / "bounds.toml"
    urls = {"database_url": stores.database_url, "redis_url": stores.redis_url}
    async with open_mill(folder, **urls, bounds_file=bounds) as mill:
        yield mill, bounds


@pytest.mark.parametrize("what", QUOTAS)
async def test_one_more_than_the_quota_is_refused_until_the_bounds_file_says_otherwise(
    strict: tuple[Mill, Path], what: str
) -> None:
    mill, bounds = strict
    async with await mill.client(new_name("greedy")) as client, await mill.client(new_name("other")) as other:
        await upload(client)
        assert (await post(client, what)).is_success
        used = await read_limit(client, what, "used")
        bounds.write_text(f"{what} = {used}\n")
        await eventually_async(lambda: has_value(client, what, used), what="the bounds file to be read")
        before = await mill.count_rows()
        refused = await post(client, what)
        assert_openai_error(refused, 429, type="rate_limit_error", code="quota_exceeded")
        assert f"STORYMILL_{what.upper()}" in refused.json()["error"]["message"]
        assert int(refused.headers["retry-after"]) >= 1
        assert await mill.count_rows() == before
        await upload(other)
        assert what == "max_files" or (await post(other, what)).is_success
        bounds.unlink()
        await eventually_async(lambda: has_value(client, what, None), what="the bounds file to be gone")
        assert (await post(client, what)).is_success


async def test_bytes_and_rows_are_counted_before_they_are_taken(strict: tuple[Mill, Path]) -> None:
    mill, bounds = strict
    async with await mill.client(new_name("greedy")) as client:
        bounds.write_text("max_stored_bytes = 100\nmax_open_rows = 1\n")
        await eventually_async(lambda: has_value(client, "max_open_rows", 1), what="the bounds file to be read")
        for refused, setting in (
            (await upload(client), "STORED_BYTES"),
            (await post(client, "max_open_uploads"), None),
            (await post(client, "max_open_generations"), "OPEN_ROWS"),
        ):
            if setting is not None:
                assert_openai_error(refused, 429, type="rate_limit_error", code="quota_exceeded")
                assert f"STORYMILL_MAX_{setting}" in refused.json()["error"]["message"]
        assert await read_limit(client, "max_stored_bytes", "used") == 5  # what the upload in parts announces
        bounds.unlink()
        await eventually_async(lambda: has_value(client, "max_stored_bytes", None), what="the bounds file to be gone")


async def test_a_file_that_is_deleted_makes_room(strict: tuple[Mill, Path]) -> None:
    mill, _ = strict
    async with await mill.client(new_name("tidy")) as client:
        file_id = (await upload(client)).json()["id"]
        assert await read_limit(client, "max_stored_bytes", "used") == len(CONTENT)
        await client.delete(f"/v1/files/{file_id}")
        assert [await read_limit(client, name, "used") for name in ("max_stored_bytes", "max_files")] == [0, 0]


async def test_a_key_that_asks_too_often_is_told_and_another_is_not(strict: tuple[Mill, Path]) -> None:
    mill, bounds = strict
    async with await mill.client(new_name("often")) as client, await mill.client(new_name("other")) as other:
        bounds.write_text("max_requests_per_minute = 5\n")
        await eventually_async(
            lambda: has_value(other, "max_requests_per_minute", 5), what="the bounds file to be read"
        )
        answers = [await client.get("/v1/recipes") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert_openai_error(answers[-1], 429, type="rate_limit_error", code="rate_limit_exceeded")
        assert "STORYMILL_MAX_REQUESTS_PER_MINUTE" in answers[-1].json()["error"]["message"]
        assert int(answers[-1].headers["retry-after"]) == 12
        assert (await other.get("/v1/recipes")).status_code == 200
        bounds.unlink()


async def has_value(client: httpx2.AsyncClient, name: str, value: int | None) -> bool:
    """Say whether a limit has this value; None: its default, which is large."""
    now = await read_limit(client, name, "value")
    return now >= 1000 if value is None else now == value


async def read_limit(client: httpx2.AsyncClient, name: str, field: str) -> int:
    """Return what the server says of a limit."""
    limits = (await client.get("/v1/limits")).json()["data"]
    return int(next(limit[field] for limit in limits if limit["name"] == name))
