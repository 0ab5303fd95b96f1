"""Making preference pairs takes long, and leaves the loop to those who renew leases."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from services.workers.preparing.fetching import fetch_pairs
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from shared.stores.db.repositories.dataset_claims import ClaimedDataset
from tests.support.volume import VolumeBench, open_volume_bench

STORIES = 240
REVIEW = """
    update story set status = 'succeeded', text = 'a story ' || position,
        review = case when position % 2 = 0 then 'accepted' else 'rejected' end
    where generation_id = :id
"""


@pytest.fixture
async def context(database_url: str, redis_url: str) -> AsyncIterator[WorkerContext]:
    """A worker's context."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": "http://127.0.0.1:9/v1"}
    opened = await open_context(Settings.model_validate(values), WorkerSettings())
    yield opened
    await opened.close()


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[VolumeBench]:
    """Hands on runs."""
    async with open_volume_bench(database_url, redis_url) as opened:
        yield opened


async def test_the_loop_turns_while_pairs_are_written(
    bench: VolumeBench, context: WorkerContext, tmp_path: Path
) -> None:
    run_id = await bench.add(STORIES, template="one prompt for all", attributes={"number": {"range": [1, STORIES]}})
    async with bench.database.transaction() as session:
        await session.execute(text(REVIEW), {"id": run_id})
    request = {
        **{"seed": 0, "pairs_per_story": STORIES, "prompt": "recipe", "attribute_separator": ","},
        **{"stratify": None, "format": "preference", "system": None},
    }
    path = tmp_path / "pairs.jsonl"
    claimed = ClaimedDataset("ds_1", bench.project_id, request, 1)
    fetching = asyncio.create_task(fetch_pairs(context, claimed, run_id, path))
    turns_while_writing = 0
    while not fetching.done():
        turns_while_writing += path.exists()
        await asyncio.sleep(0)
    await fetching
    assert len(path.read_bytes().splitlines()) == (STORIES // 2) ** 2
    assert turns_while_writing > 1, "the loop stood still while the pairs were written"
