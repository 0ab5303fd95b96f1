"""Objects that nothing names are dropped when they are old; all others stay."""

import io
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.workers.maintenance.sweep_task import ORPHAN_SECONDS, sweep_objects
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from shared.stores.db.repositories import files
from shared.stores.db.repositories.projects import ensure_project

BEFORE = time.time() - ORPHAN_SECONDS - 60


@pytest.fixture
async def context(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[WorkerContext]:
    """A worker's context on a store of its own."""
    values = {"database_url": database_url, "redis_url": redis_url, "object_store_dir": str(tmp_path)}
    opened = await open_context(Settings.model_validate(values), WorkerSettings())
    yield opened
    await opened.close()


def make_old(place: Path) -> None:
    """Let everything in the store seem a day old."""
    for path in place.rglob("*"):
        os.utime(path, (BEFORE, BEFORE))


async def test_only_old_objects_without_a_name_are_dropped(context: WorkerContext, tmp_path: Path) -> None:
    named, orphan = (context.objects.put(io.BytesIO(content)) for content in (b"named", b"orphan"))
    async with context.database.transaction() as session:
        project = await ensure_project(session, "orphans")
        await files.add_file(
            session, project_id=project.id, filename="a", purpose="user_data", sha256=named.sha256, size=5
        )
    (tmp_path / "incoming" / "unfinished").write_bytes(b"half")
    make_old(tmp_path)
    young = context.objects.put(io.BytesIO(b"young"))

    await sweep_objects(context)
    assert [context.objects.exists(item.sha256) for item in (named, orphan, young)] == [True, False, True]
    assert not (tmp_path / "incoming" / "unfinished").exists()


async def test_an_empty_store_takes_objects_after_a_sweep(context: WorkerContext) -> None:
    await sweep_objects(context)
    assert context.objects.exists(context.objects.put(io.BytesIO(b"first")).sha256)
