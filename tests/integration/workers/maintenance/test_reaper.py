"""One round of the reaper, awaited in the test's own loop, on rows as crashes leave them."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.job_table import ROW_KINDS
from services.workers.leases.row_kind import RowKind
from services.workers.maintenance.reap_task import reap
from services.workers.maintenance.store_watch import StoreWatch
from services.workers.preparing.lease import DatasetRows
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared import ids
from shared.clock import utc_now
from shared.contracts.queue.messages import PrepareDataset
from shared.settings import Settings
from shared.stores.away import StatementTimeoutError, StoreAwayError
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
    opened = await open_context(Settings.model_validate(values), WorkerSettings(lease_seconds=0.5))
    yield opened
    await opened.close()


async def reap_steadily(context: WorkerContext, row_kinds: Sequence[RowKind[Any, Any]] = ROW_KINDS) -> None:
    """Reap at a moment when the store counts as steady: with a short lease, on a busy machine, it is not always so."""
    watch = await context.part(StoreWatch)
    await eventually(lambda: watch.is_steady, timeout_seconds=60, what="the store to be steady")
    await reap(context, row_kinds)


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
    await reap_steadily(context)
    await reap_steadily(context)
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
    await reap_steadily(context)
    row = await bench.row(row_id)
    assert (row.status, row.attempt, row.text, row.worker_id) == ("queued", 3, "唐朝", None)
    assert await count_messages(bench) == 1


async def test_a_held_completion_is_left_alone(bench: InteractiveBench, context: WorkerContext) -> None:
    (row_id,) = await bench.add("写")
    await change(bench, row_id, status="running", attempt=1, lease_until=utc_now() + LONG_AGO)
    await reap_steadily(context)
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
    await reap_steadily(context)
    await reap_steadily(context)
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
    await reap_steadily(context)
    assert [attempt.outcome for attempt in await bench.attempts(row_id)] == ["unknown", "sent"]
    assert len(await bench.ledger(row_id)) == 1


class StuckRows(DatasetRows):
    """A kind whose requeue fails, whatever it is asked."""

    name = "stuck"

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[PrepareDataset]:
        raise self._error


def count_failures(step: str, cause: str) -> float:
    """Return what the metric says."""
    labels = {"step": step, "cause": cause}
    return REGISTRY.get_sample_value("storymill_reaper_steps_failed_total", labels) or 0.0


@pytest.mark.parametrize(
    ("error", "cause"), [(StatementTimeoutError("too slow"), "too_slow"), (RuntimeError("a defect"), "defect")]
)
async def test_a_kind_that_cannot_be_requeued_keeps_no_other_from_its_turn(
    bench: InteractiveBench, context: WorkerContext, error: Exception, cause: str
) -> None:
    (lost,) = await bench.add("旧")
    await change(bench, lost, created_at=utc_now() - LONG_AGO)
    before = count_failures("requeue stuck", cause)
    await reap_steadily(context, [StuckRows(error), *ROW_KINDS])
    assert await count_messages(bench) == 1
    assert count_failures("requeue stuck", cause) == before + 1


async def test_a_store_that_is_away_ends_the_round(bench: InteractiveBench, context: WorkerContext) -> None:
    with pytest.raises(StoreAwayError):
        await reap_steadily(context, [StuckRows(StoreAwayError("gone")), *ROW_KINDS])


async def test_a_step_that_meets_a_defect_keeps_no_other_from_its_turn(
    bench: InteractiveBench, context: WorkerContext
) -> None:
    (row_id,) = await bench.add("写")
    await change(bench, row_id, status="running", attempt=2, lease_until=utc_now() + LONG_AGO)
    async with bench.database.transaction() as session:
        await add_attempts(
            session,
            Caller(bench.project_id, None, "wrk_dead", "upstream", MODEL),
            [NewAttempt(ids.new_id(ids.ATTEMPT), row_id, 1, None)],
        )
        await session.execute(update(Attempt).values(started_at=utc_now() - LONG_AGO))
        created_at = utc_now() - timedelta(hours=25)
        session.add(IdempotencyKey(project_id=bench.project_id, key="o", request_hash="h", created_at=created_at))
        await session.execute(text("alter table ledger_entry add constraint broken check (false) not valid"))
    await reap_steadily(context)
    async with bench.database.transaction() as session:
        await session.execute(text("alter table ledger_entry drop constraint broken"))
        assert (await session.scalars(select(IdempotencyKey.key))).all() == []
    assert [attempt.outcome for attempt in await bench.attempts(row_id)] == ["sent"]


async def test_old_idempotency_keys_are_forgotten(bench: InteractiveBench, context: WorkerContext) -> None:
    async with bench.database.transaction() as session:
        for key, age in (("old", timedelta(hours=25)), ("new", timedelta(hours=1))):
            created_at = utc_now() - age
            session.add(IdempotencyKey(project_id=bench.project_id, key=key, request_hash="h", created_at=created_at))
    await reap_steadily(context)
    async with bench.database.transaction() as session:
        assert (await session.scalars(select(IdempotencyKey.key))).all() == ["new"]
