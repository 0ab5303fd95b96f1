"""A state directory of the release before opens: its tables are brought up to date, its open jobs come to an end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from services.workers.job_table import ROW_KINDS
from services.workers.maintenance.reap_task import reap
from services.workers.process.context import open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from shared.stores.db.migrate import migrate
from shared.stores.objects.object_store import ObjectStore
from tests.support.interactive import eventually_async
from tests.support.release_before import find_changed_migrations, make_state
from tests.support.stack import PrivatePostgres
from tests.support.upstream import ScriptedUpstream
from tests.support.webhook_receiver import WebhookReceiver
from tests.support.worker_process import WorkerProcess

STATES = """
select id, status from completion union all select id, status from generation
union all select id, status from story where generation_id <> 'gen_done'
union all select id, status from dataset union all select id, status from fine_tuning_job
union all select id, status from model_evaluation union all select id, status from model_comparison
union all select id, status from upload union all select id, status from outbox where id = 'ob_old'
union all select id, case when removal_due_at is null then 'removed' else 'owed' end from model
union all select sink, case when attempt > 1 then 'taken up' else 'left' end from tracker_run order by id
"""
ENDED = {
    "cmp_old": "voting",
    "eval_old": "failed",  # its file holds no rows
    "model_old": "removed",
    "ob_old": "delivered",
    "upload_old": "expired",
    "wandb": "taken up",
    "ds_open": "succeeded",
    "ftjob-old": "failed",  # its file holds no training rows
    "gen_done": "succeeded",
    "gen_gone": "cancelled",
    "gen_open": "succeeded",
    "str_done": "succeeded",
    "str_held": "succeeded",
    "str_lost": "succeeded",
    **{f"sty_gone{number}": "cancelled" for number in range(3)},
    **{f"sty_open{number}": "succeeded" for number in range(3)},
}
BOOKS = """
select outcome, exists (select 1 from ledger_entry where attempt_id = attempt.id) from attempt
where id in ('att_story', 'att_text')
"""


@pytest.fixture
def old_database_url(postgres_server: PrivatePostgres) -> Iterator[str]:
    """An empty database, before any migration."""
    postgres_server.execute(sql.SQL("create database release_before"))
    yield postgres_server.database_url("release_before")
    postgres_server.drop_database("release_before")


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    """Where the release before sent its webhooks."""
    async with WebhookReceiver() as opened:
        yield opened


def test_released_migrations_have_not_changed() -> None:
    assert find_changed_migrations() == []


@pytest.mark.slow
async def test_open_jobs_of_the_release_before_come_to_an_end(
    old_database_url: str, redis_url: str, upstream: ScriptedUpstream, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    objects = str(tmp_path / "objects")
    await asyncio.to_thread(make_state, old_database_url, ObjectStore(objects), receiver.url)
    stores = {"database_url": old_database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    settings = Settings.model_validate({**stores, "object_store_dir": objects})
    await asyncio.to_thread(migrate, settings.sqlalchemy_url)
    worker = WorkerProcess(
        tmp_path,
        **stores,
        queues="interactive,generation,datasets,fine_tuning,maintenance",
        env={"STORYMILL_OBJECT_STORE_DIR": objects, "STORYMILL_WEBHOOK_ALLOW_PRIVATE": "true"},
    )
    context = await open_context(settings, WorkerSettings())
    async with worker:
        with psycopg.connect(old_database_url, autocommit=True) as connection:
            seen: dict[str, str] = {}

            async def is_over() -> bool:
                await reap(context, ROW_KINDS)
                seen.update(connection.execute(STATES).fetchall())
                return seen == ENDED

            try:
                await eventually_async(is_over, timeout_seconds=90, what="every job to end")
            except TimeoutError:
                assert seen == ENDED, worker.log[-3000:]
            assert connection.execute(BOOKS).fetchall() == [("unknown", True)] * 2
            events = [one.id for one in receiver.received]
            assert events.count("evt_old") == 1
            assert upstream.model_requests == ["DELETE /v1/models/ft:old"]
    await context.close()
