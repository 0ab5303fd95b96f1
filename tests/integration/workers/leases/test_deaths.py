"""Claims of a row that come to nothing, one after the other, are counted, and at last the row is given up: on a kind of
the test's own. Each kind has it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.job_table import ROW_KINDS
from services.workers.leases.death_count import DeathCount
from services.workers.leases.deaths import say_worker_died
from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import Lease, LostRowError, RowKind, begin_lease
from services.workers.leases.working import work_while_held
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.contracts.queue.messages import DeliverOutbox, Message
from shared.settings import Settings
from shared.stores.away import StoreAwayError
from shared.stores.redis.connection import open_redis

MOST = 3


@dataclass
class Stone:
    """A row."""

    id: str
    attempt: int = 2


@dataclass
class StoneRows(RowKind[Stone, None]):
    """Rows that are nowhere, and always ours."""

    name = "stone"
    most_deaths = MOST
    is_shared: bool = False  # type: ignore[misc]
    given_up: list[str] = field(default_factory=list)

    def key(self, row: Stone) -> Hashable:
        return row.id, row.attempt

    async def renew(self, session: AsyncSession, rows: Sequence[Stone], lease: Lease) -> Mapping[Any, None]:
        return dict.fromkeys(self.key(row) for row in rows)

    async def hand_back(self, session: AsyncSession, rows: Sequence[Stone]) -> None:
        """Nothing to write."""

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[Message]:
        return []

    def name_row(self, row: Stone) -> str:
        return row.id

    def is_claimed_again(self, row: Stone) -> bool:
        return row.attempt > 1

    async def give_up(self, context: WorkerContext, row: Stone, reason: str) -> None:
        self.given_up.append(reason)

    def message(self, row: Stone) -> Message:
        return DeliverOutbox()


@pytest.fixture
async def context(database_url: str, redis_url: str) -> AsyncIterator[WorkerContext]:
    """A worker."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": "http://127.0.0.1:9/v1"}
    opened = await open_context(Settings.model_validate(values), WorkerSettings())
    yield opened
    await opened.close()


async def die(context: WorkerContext, stone: Stone, times: int) -> None:
    """Claim a row as workers do that die with it."""
    for _ in range(times):
        await DeathCount(context.redis, StoneRows.name, stone.id).begin()


async def work_on(context: WorkerContext, kind: StoneRows, stone: Stone, error: BaseException | None = None) -> bool:
    """Claim a row once more, and end as told; say whether work was done."""
    worked = []

    async def work(_hold: Hold) -> None:
        worked.append(stone)
        if error is not None:
            raise error

    with contextlib.suppress(ArithmeticError, StoreAwayError):
        await work_while_held(context, kind, stone, begin_lease(context), work)
    return bool(worked)


async def test_a_row_that_takes_its_workers_with_it_is_given_up_without_work(context: WorkerContext) -> None:
    kind, stone = StoneRows(), Stone("a")
    await die(context, stone, MOST)
    assert not await work_on(context, kind, stone)
    assert kind.given_up == [say_worker_died(MOST)]
    assert await work_on(context, kind, stone), "an end makes the count begin anew"


async def test_one_death_less_and_the_row_is_worked_on(context: WorkerContext) -> None:
    kind, stone = StoneRows(), Stone("a")
    await die(context, stone, MOST - 1)
    assert await work_on(context, kind, stone)
    await die(context, stone, MOST - 1)
    assert await work_on(context, kind, stone)
    assert kind.given_up == []


async def test_a_defect_of_ours_at_each_claim_counts_and_is_named(context: WorkerContext) -> None:
    kind, stone = StoneRows(), Stone("a")
    for _ in range(MOST):
        assert await work_on(context, kind, stone, ZeroDivisionError())
    assert not await work_on(context, kind, stone)
    assert kind.given_up == [say_worker_died(MOST, "ZeroDivisionError")]
    assert "ZeroDivisionError" in kind.given_up[0]


async def test_rows_that_several_hold_at_once_are_counted_by_their_defects_alone(context: WorkerContext) -> None:
    kind, stone = StoneRows(), Stone("a")
    kind.is_shared = True
    await DeathCount(context.redis, StoneRows.name, stone.id).begin(counts=False)
    for _ in range(MOST):
        await asyncio.gather(*(work_on(context, kind, stone) for _ in range(2 * MOST)))
        assert not kind.given_up
    for _ in range(MOST):
        assert await work_on(context, kind, stone, ZeroDivisionError())
    assert not await work_on(context, kind, stone)


@pytest.mark.parametrize("error", [StoreAwayError("gone"), LostRowError("a"), asyncio.CancelledError()])
async def test_a_store_that_is_away_a_lost_row_and_a_hand_back_are_no_deaths(
    context: WorkerContext, error: BaseException
) -> None:
    kind, stone = StoneRows(), Stone("a")
    await die(context, stone, MOST - 1)
    for _ in range(MOST):
        claim = asyncio.create_task(work_on(context, kind, stone, error))
        await asyncio.wait({claim})
    assert await work_on(context, kind, stone)
    assert kind.given_up == []


async def test_what_lasts_makes_the_count_begin_anew(context: WorkerContext) -> None:
    kind, stone = StoneRows(), Stone("a")
    await die(context, stone, MOST - 1)

    async def get_on(hold: Hold) -> None:
        await hold.note_progress()
        raise ZeroDivisionError

    for _ in range(2 * MOST):
        with pytest.raises(ZeroDivisionError):
            await work_while_held(context, kind, stone, begin_lease(context), get_on)
    assert kind.given_up == []


async def test_without_redis_rows_are_worked_on_and_nothing_is_counted(context: WorkerContext) -> None:
    kind, stone = StoneRows(), Stone("a")
    await context.redis.aclose()
    context.redis = open_redis("redis://127.0.0.1:9")
    assert await work_on(context, kind, stone)


def test_every_kind_that_is_held_says_how_a_row_of_it_is_given_up() -> None:
    for kind in ROW_KINDS:
        for name in ("give_up", "name_row", "is_claimed_again"):
            assert getattr(type(kind), name) is not getattr(RowKind, name), (kind.name, name)
        assert kind.most_deaths > 1


def test_no_kind_counts_under_a_name_that_another_one_has() -> None:
    names = [kind.name for kind in ROW_KINDS]
    assert len(set(names)) == len(names)
