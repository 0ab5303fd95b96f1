"""Maintenance for a test: a real worker on its queue, and the beat that sends it messages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from shared.contracts.queue.messages import ReapLapsed
from shared.stores.queue.celery_app import make_celery
from shared.stores.queue.line import ServingLine
from shared.stores.queue.sender import TaskSender
from shared.stores.redis.connection import open_redis
from tests.support.worker_process import WorkerProcess

BEAT_SECONDS = 1.0


@asynccontextmanager
async def running_reaper(
    folder: Path, *, database_url: str, redis_url: str, upstream_url: str
) -> AsyncIterator[WorkerProcess]:
    """Reap once a second while the block lasts."""
    worker = WorkerProcess(
        folder,
        database_url=database_url,
        redis_url=redis_url,
        upstream_url=upstream_url,
        queues="maintenance",
        concurrency=4,
        name="maintenance",
    )
    async with worker:
        beat = asyncio.create_task(send_beats(redis_url))
        yield worker
        beat.cancel()
        with suppress(asyncio.CancelledError):
            await beat


async def send_beats(redis_url: str) -> None:
    """Send what Celery beat sends."""
    sender = TaskSender(make_celery(redis_url), ServingLine(open_redis(redis_url)))
    try:
        while True:
            await sender.send(ReapLapsed())
            await asyncio.sleep(BEAT_SECONDS)
    finally:
        sender.close()
