"""One round of the reaper, awaited in the test's own loop, on rows as crashes leave them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from services.workers.job_table import ROW_KINDS
from services.workers.maintenance.reap_task import reap
from services.workers.maintenance.store_watch import StoreWatch
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared import ids
from shared.clock import utc_now
from shared.settings import Settings
from shared.stores.db.models import Attempt, Completion, IdempotencyKey
from shared.stores.db.repositories.attempts import Caller, NewAttempt, add_attempts
from shared.stores.queue.line import ServingLine
from tests.support.interactive import InteractiveBench, open_bench
from tests.support.stack import eventually
from tests.support.upstream import MODEL, ScriptedUpstream

LONG_AGO = timedelta(minutes=2)


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[InteractiveBench]:
    """Hands on completions."""
    async with open_bench(database_url, redis_url) as opened:
        yield opened


@pytest.fixture
async def context(database_url: str, redis_url: str, upstream: ScriptedUpstream) -> AsyncIterator[WorkerContext]:
    """A worker's context."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    opened = await open_context(Settings.model_validate(values), WorkerSettings(lease_seconds=2.0))
    watch = await opened.part(StoreWatch)
    await eventually(lambda: watch.is_steady, what="the store to be steady")
    yield opened
    await opened.close()


async def change(bench: InteractiveBench, row_id: str, **values: object) -> None:
    """Put a row into a state."""
    async with bench.database.transaction() as session:
        await session.execute(update(Completion).where(Completion.id == row_id).values(**values))


async def count_messages(bench: InteractiveBench) -> int:
    """Return how many texts wait for an interactive worker."""
    return (await ServingLine(bench.redis).measure()).depth


async def test_a_completion_whose_message_was_lost_is_sent_again_but_not_every_round(
    bench: InteractiveBench, context: WorkerContext
) -> None:
    (fresh,) = await bench.add("新")
    (lost,) = await bench.add("旧")
    await change(bench, lost, created_at=utc_now() - LONG_AGO)
    await reap(context, ROW_KINDS)
    await reap(context, ROW_KINDS)
    assert await count_messages(bench) == 1
    assert ((await bench.row(fresh)).status, (await bench.row(lost)).status) == ("queued", "queued")


async def test_a_lapsed_lease_queues_the_completion_again_and_keeps_its_attempt_and_text(
    bench: InteractiveBench, context: WorkerContext
) -> None:
    (row_id,) = await bench.add("写")
    await change(
        bench,
        row_id,
        status="running",
        attempt=3,
        text="唐朝",
        worker_id="wrk_dead",
        lease_until=utc_now() - LONG_AGO,
    )
    await reap(context, ROW_KINDS)
    row = await bench.row(row_id)
    assert (row.status, row.attempt, row.text, row.worker_id) == ("queued", 3, "唐朝", None)
    assert await count_messages(bench) == 1


async def test_a_held_completion_is_left_alone(bench: InteractiveBench, context: WorkerContext) -> None:
    (row_id,) = await bench.add("写")
    await change(bench, row_id, status="running", attempt=1, lease_until=utc_now() + LONG_AGO)
    await reap(context, ROW_KINDS)
    assert (await bench.row(row_id)).status == "running"
    assert await count_messages(bench) == 0


async def test_an_end_that_was_lost_between_commit_and_publishing_is_published_once(
    bench: InteractiveBench, context: WorkerContext
) -> None:
    (row_id,) = await bench.add("写")
    await change(
        bench,
        row_id,
        status="succeeded",
        attempt=1,
        text="完",
        text_seq=1,
        sha256="x",
        finished_at=utc_now() - LONG_AGO,
    )
    await reap(context, ROW_KINDS)
    await reap(context, ROW_KINDS)
    assert (await bench.row(row_id)).end_published
    async with bench.database.transaction() as session:
        waiting = await session.scalar(select(func.count()).where(~Completion.end_published))
    assert waiting == 0


async def test_a_call_of_a_lost_row_is_booked_as_unknown(bench: InteractiveBench, context: WorkerContext) -> None:
    (row_id,) = await bench.add("写")
    await change(bench, row_id, status="running", attempt=2, lease_until=utc_now() + LONG_AGO)
    caller = Caller(bench.project_id, None, "wrk_dead", "upstream", MODEL)
    calls = [NewAttempt(ids.new_id(ids.ATTEMPT), row_id, number, None) for number in (1, 2)]
    async with bench.database.transaction() as session:
        await add_attempts(session, caller, calls)
        await session.execute(
            update(Attempt).values(started_at=utc_now() - LONG_AGO)  # both are older than a lease
        )
    await reap(context, ROW_KINDS)
    assert [attempt.outcome for attempt in await bench.attempts(row_id)] == ["unknown", "sent"]
    assert len(await bench.ledger(row_id)) == 1


async def test_old_idempotency_keys_are_forgotten(bench: InteractiveBench, context: WorkerContext) -> None:
    async with bench.database.transaction() as session:
        for key, age in (("old", timedelta(hours=25)), ("new", timedelta(hours=1))):
            created_at = utc_now() - age
            session.add(IdempotencyKey(project_id=bench.project_id, key=key, request_hash="h", created_at=created_at))
    await reap(context, ROW_KINDS)
    async with bench.database.transaction() as session:
        assert (await session.scalars(select(IdempotencyKey.key))).all() == ["new"]
