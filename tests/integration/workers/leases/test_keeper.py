"""The keeper of leases, on a kind of the test's own: real rows, real renewals, and whatever a renewal may raise."""

import asyncio
import time
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.leases.hold import Hold
from services.workers.leases.keeper import LeaseKeeper
from services.workers.leases.row_kind import Lease, LostRowError, RowKind, begin_lease
from services.workers.leases.working import work_while_held
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.contracts.queue.messages import DeliverOutbox, Message
from shared.settings import Settings
from tests.support.failover import set_read_only
from tests.support.stack import PrivatePostgres, eventually

LEASE_SECONDS = 1.0


@dataclass
class Note:
    """A row."""

    id: str
    attempt: int = 1
    heard: list[str] = field(default_factory=list)


class NoteRows(RowKind[Note, str | None]):
    """Rows of `note`. `faults` are raised by the next renewals."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[Exception] = []
        self.handed_back: list[str] = []

    def key(self, row: Note) -> Hashable:
        return row.id, row.attempt

    async def renew(self, session: AsyncSession, rows: Sequence[Note], lease: Lease) -> Mapping[Any, str | None]:
        if self.faults:
            raise self.faults.pop()
        statement = text("""
            update note set renewed = renewed + 1 where id = any(:ids) returning id, attempt, wanted
        """)
        found = await session.execute(statement, {"ids": [row.id for row in rows]})
        return {(row.id, row.attempt): row.wanted for row in found}

    def hear(self, row: Note, wanted: str | None) -> None:
        if wanted is not None:
            row.heard.append(wanted)

    async def hand_back(self, session: AsyncSession, rows: Sequence[Note]) -> None:
        self.handed_back += [row.id for row in rows]

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[Message]:
        return []

    def name_row(self, row: Note) -> str:
        return row.id

    def is_claimed_again(self, row: Note) -> bool:
        return row.attempt > 1

    async def give_up(self, context: WorkerContext, row: Note, reason: str) -> None:
        """Nothing to write."""

    def message(self, row: Note) -> Message:
        return DeliverOutbox()


@pytest.fixture
async def context(database_url: str, redis_url: str) -> AsyncIterator[WorkerContext]:
    """A worker with short leases and a table of notes."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": "http://127.0.0.1:9/v1"}
    opened = await open_context(Settings.model_validate(values), WorkerSettings(lease_seconds=LEASE_SECONDS))
    async with opened.database.transaction() as session:
        await session.execute(
            text("create table note (id text, attempt int default 1, wanted text, renewed int default 0)")
        )
    yield opened
    await opened.close()


async def execute(context: WorkerContext, statement: str, **values: object) -> Any:
    """Run a statement; return the first value of a query."""
    async with context.database.transaction() as session:
        result = await session.execute(text(statement), values)
        return result.scalar() if statement.startswith("select") else None


async def add(context: WorkerContext, note_id: str) -> Note:
    """Add a row that is ours."""
    await execute(context, "insert into note (id) values (:id)", id=note_id)
    return Note(note_id)


def keep(context: WorkerContext, kind: NoteRows, note: Note) -> "tuple[asyncio.Task[None], list[Hold]]":
    """Begin to work on a row for ever; return the work and, once it runs, its hold."""
    holds: list[Hold] = []

    async def work(hold: Hold) -> None:
        holds.append(hold)
        await asyncio.Event().wait()

    return asyncio.create_task(work_while_held(context, kind, note, begin_lease(context), work)), holds


async def wait_for_renewals(context: WorkerContext, note: Note, count: int = 2) -> None:
    """Wait until a row was renewed so many times more."""
    before = await execute(context, "select renewed from note where id = :id", id=note.id)
    deadline = time.monotonic() + 20
    while await execute(context, "select renewed from note where id = :id", id=note.id) < before + count:
        assert time.monotonic() < deadline, "not renewed"
        await asyncio.sleep(0.02)


def count_failures(kind: NoteRows, cause: str) -> float:
    """Return what the metric says."""
    return REGISTRY.get_sample_value("storymill_lease_beats_failed_total", {"kind": kind.name, "cause": cause}) or 0.0


async def end(*works: "asyncio.Task[None]") -> None:
    """Cancel what still works."""
    for work in works:
        work.cancel()
    await asyncio.gather(*works, return_exceptions=True)


async def test_a_row_is_renewed_and_hears_what_is_wanted(context: WorkerContext) -> None:
    kind, note = NoteRows("note_heard"), await add(context, "a")
    work, _ = keep(context, kind, note)
    await wait_for_renewals(context, note)
    await execute(context, "update note set wanted = 'pause'")
    await eventually(lambda: "pause" in note.heard)
    await end(work)


async def test_a_defect_in_one_kind_is_counted_and_stops_neither_it_nor_the_others(context: WorkerContext) -> None:
    bad, good = NoteRows("note_bad"), NoteRows("note_good")
    works = [keep(context, bad, await add(context, "a"))[0], keep(context, good, await add(context, "b"))[0]]
    bad.faults = [RuntimeError("a defect"), RuntimeError("a defect")]
    await eventually(lambda: count_failures(bad, "defect") >= 2, what="the defect to be counted")
    await wait_for_renewals(context, Note("b"))
    await wait_for_renewals(context, Note("a"))
    assert not any(work.done() for work in works)
    await end(*works)


async def test_work_whose_lease_cannot_be_renewed_although_the_store_answers_is_stopped(context: WorkerContext) -> None:
    kind = NoteRows("note_stuck")
    kind.faults = [RuntimeError("a defect")] * 1_000
    work, holds = keep(context, kind, await add(context, "a"))
    await asyncio.wait_for(work, 20)
    assert holds[0].is_lost
    with pytest.raises(LostRowError):
        await holds[0].confirm()
    assert kind.handed_back == []


async def test_work_whose_renewals_hang_although_the_store_answers_others_is_stopped(context: WorkerContext) -> None:
    kind = NoteRows("note_hanging")
    work, holds = keep(context, kind, await add(context, "a"))
    await wait_for_renewals(context, Note("a"), 1)
    async with context.database.transaction() as session:
        await session.execute(text("select 1 from note where id = 'a' for update"))
        await asyncio.wait_for(work, 20)
        assert holds[0].is_lost
    assert count_failures(kind, "hanging") > 0
    assert count_failures(kind, "away") == 0


async def test_a_row_of_another_stops_its_work_and_no_other(context: WorkerContext) -> None:
    kind = NoteRows("note_lost")
    lost, _ = keep(context, kind, await add(context, "a"))
    kept, _ = keep(context, kind, await add(context, "b"))
    await wait_for_renewals(context, Note("a"), 1)
    await execute(context, "update note set attempt = 2 where id = 'a'")
    await asyncio.wait_for(lost, 20)
    await wait_for_renewals(context, Note("b"))
    assert not kept.done()
    await end(kept)


async def test_while_the_store_is_away_work_goes_on_and_nothing_new_is_paid_for(
    context: WorkerContext, postgres_server: PrivatePostgres, database_url: str
) -> None:
    kind = NoteRows("note_away")
    work, holds = keep(context, kind, await add(context, "a"))
    await wait_for_renewals(context, Note("a"), 1)
    set_read_only(postgres_server, database_url, is_read_only=True)
    await eventually(lambda: not holds[0].is_fresh, what="the lease to run out")
    paying = asyncio.create_task(holds[0].confirm())
    failures = count_failures(kind, "away")
    await eventually(lambda: count_failures(kind, "away") > failures + 2, what="more than a lease to pass")
    assert not work.done()
    assert not paying.done()
    set_read_only(postgres_server, database_url, is_read_only=False)
    await asyncio.wait_for(paying, 20)
    assert holds[0].is_fresh
    await end(work)


async def test_a_claim_that_is_older_than_its_lease_is_confirmed_before_anything_is_paid_for(
    context: WorkerContext,
) -> None:
    kind, note = NoteRows("note_frozen"), await add(context, "a")
    await execute(context, "update note set attempt = 2")
    lease = Lease(context.worker_id, LEASE_SECONDS, time.monotonic() - 2 * LEASE_SECONDS)
    paid: list[str] = []

    async def work(hold: Hold) -> None:
        await hold.confirm()
        paid.append(note.id)

    await asyncio.wait_for(work_while_held(context, kind, note, lease, work), 20)
    assert paid == []


async def test_rows_of_a_worker_that_stops_are_handed_back_together(context: WorkerContext) -> None:
    kind = NoteRows("note_handed_back")
    works = [keep(context, kind, await add(context, str(number)))[0] for number in range(20)]
    await wait_for_renewals(context, Note("0"), 1)
    await end(*works)
    assert sorted(kind.handed_back, key=int) == [str(number) for number in range(20)]
    assert await context.redis.llen(DeliverOutbox.queue) == 20


async def test_a_hurried_kind_is_renewed_at_once(context: WorkerContext) -> None:
    kind, note = NoteRows("note_hurried"), await add(context, "a")
    context.worker_settings.lease_seconds = 300.0
    work, _ = keep(context, kind, note)
    keeper = await context.part(LeaseKeeper)
    renewing = asyncio.create_task(wait_for_renewals(context, note, 1))

    def hurry() -> bool:
        keeper.hurry(kind, 0.01)
        return renewing.done()

    await eventually(hurry, what="a renewal long before its time")
    await renewing
    await end(work)
