"""A large run that is cancelled: its queued stories are cancelled at once for readers, slice by slice in the table."""

from typing import Any

import httpx2
import psycopg
import pytest

from services.workers.maintenance.left_stories import cancel_left_stories
from services.workers.process.context import open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from tests.support.gateway import Mill
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = 200_000
MORE_ROWS = """
insert into story (id, generation_id, project_id, position, repeat, row_key, attributes, status)
select 'sty_many' || i, story.generation_id, story.project_id, i, i, 'key', story.attributes,
       case when i = 1 then 'succeeded' else 'queued' end
from story cross join generate_series(1, %s) as i where story.generation_id = %s
"""
COUNT = "select status, count(*) from story where generation_id = %s group by status order by status"


async def start_large_run(client: httpx2.AsyncClient, gateway: Mill) -> str:
    """Make a run of 200,001 stories, one of them written; nobody works on it."""
    recipe = {"template": "{{ a }}", "attributes": {"a": ["x"]}, "model": MODEL}
    run_id = str((await client.post("/v1/generations", json={"recipe": recipe})).json()["id"])
    with psycopg.connect(gateway.database_url) as connection:
        connection.execute(MORE_ROWS, [ROWS, run_id])
        counters = "update generation set total = %s, expanded = %s, succeeded = 1 where id = %s"
        connection.execute(counters, [ROWS + 1, ROWS + 1, run_id])
    return run_id


async def list_stories(client: httpx2.AsyncClient, run_id: str, **wanted: Any) -> list[dict[str, Any]]:
    """Return the first page of a run's stories."""
    answer = await client.get("/v1/stories", params={"generation_id": run_id, "limit": 50, **wanted})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def check_readers(client: httpx2.AsyncClient, run: dict[str, Any]) -> None:
    """Every way to read says the same."""
    assert run["counts"] == {
        "total": ROWS + 1, "queued": 0, "running": 0, "succeeded": 1, "failed": 0, "rejected": 0, "cancelled": ROWS,
    }  # fmt: skip
    assert await list_stories(client, run["id"], status="queued") == []
    assert len(await list_stories(client, run["id"], status="succeeded")) == 1
    cancelled = await list_stories(client, run["id"], status="cancelled")
    assert len(cancelled) == 50
    assert {(story["status"], story["finished_at"]) for story in cancelled} == {("cancelled", run["finished_at"])}
    one = (await client.get(f"/v1/stories/{cancelled[0]['id']}")).json()
    assert (one["status"], one["finished_at"]) == ("cancelled", run["finished_at"])


async def test_its_stories_are_cancelled_at_once_for_readers_and_soon_in_the_table(
    client: httpx2.AsyncClient, gateway: Mill
) -> None:
    run_id = await start_large_run(client, gateway)
    assert len(await list_stories(client, run_id, status="queued")) == 50
    run = (await client.post(f"/v1/generations/{run_id}/cancel")).json()
    await check_readers(client, run)
    settings = {"database_url": gateway.database_url, "redis_url": gateway.redis_url}
    context = await open_context(Settings.model_validate(settings), WorkerSettings())
    with psycopg.connect(gateway.database_url, autocommit=True) as connection:
        rounds = 0
        while ("cancelled", ROWS) not in connection.execute(COUNT, [run_id]).fetchall():
            assert (rounds := rounds + 1) <= 11
            await cancel_left_stories(context)
    await context.close()
    await check_readers(client, run)
