"""The shape of every job: claim, keep, work, settle. Here is what stands between the claim and the settlement."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from services.workers.leases.death_count import DeathCount
from services.workers.leases.deaths import say_worker_died
from services.workers.leases.hold import Hold
from services.workers.leases.keeper import LeaseKeeper
from services.workers.leases.row_kind import Lease, LostRowError, RowKind
from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger

Row = TypeVar("Row")

log = get_logger(__name__)


async def work_while_held(
    context: WorkerContext,
    kind: RowKind[Row, Any],
    row: Row,
    lease: Lease,
    work: Callable[[Hold], Coroutine[Any, Any, None]],
    *,
    on_lost: Callable[[], object] | None = None,
) -> None:
    """Do `work` on a row that was claimed under `lease`, renewed while it lasts.

    When the row is lost the work is cancelled (or `on_lost` called instead, for work that settles its books first).
    When this worker stops, the row is handed back. What `work` raises goes on: its lease lapses, and it is tried again,
    until that has happened too often in a row, or its workers have died: then the row is given up instead.
    """
    keeper = await context.part(LeaseKeeper)
    hold = keeper.enter(kind, row, lease)
    working = asyncio.create_task(work_counted(context, kind, row, hold, work))
    hold.on_lost = on_lost or working.cancel
    try:
        await working
    except LostRowError:
        log.info("work_given_up", kind=kind.name, row=hold.name)
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if hold.is_lost and (current is None or not current.cancelling()):
            log.info("work_given_up", kind=kind.name, row=hold.name)
            return
        await keeper.hand_back(kind, hold, row)
        raise
    finally:
        keeper.leave(kind, hold)


async def work_counted(
    context: WorkerContext,
    kind: RowKind[Row, Any],
    row: Row,
    hold: Hold,
    work: Callable[[Hold], Coroutine[Any, Any, None]],
) -> None:
    """Do `work`, or give the row up when too many claims of it came to nothing. Raises: what either raises."""
    deaths = DeathCount(context.redis, kind.name, kind.name_row(row))
    hold.deaths = deaths
    if kind.is_shared or kind.is_claimed_again(row):
        await deaths.begin(counts=not kind.is_shared)
    async with deaths.watching():
        if deaths.count < kind.most_deaths:
            await work(hold)
            if hold.is_lost:  # what it has settled is its books: the row's count is another's
                raise LostRowError(hold.name)
            return
        reason = say_worker_died(deaths.count, deaths.defect)
        log.error("row_given_up", kind=kind.name, row=hold.name, reason=reason)
        await kind.give_up(context, row, reason)
