"""The datasets that this process prepares: a child each, as many at once as there are processors, and the projects
by turns; a few more for projects that have none under way. A dataset that waits holds neither a row nor a thread of
Celery's, so it holds up no other kind of job."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Self

from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import Lease, begin_lease
from services.workers.leases.working import work_while_held
from services.workers.preparing.lease import DATASET_ROWS
from services.workers.process.context import WorkerContext
from shared.cancellation import cancel_tasks
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.dataset_claims import ClaimedDataset, claim_next_dataset

Prepare = Callable[[WorkerContext, ClaimedDataset], Awaitable[None]]
"""Brings a claimed dataset to its end, good or bad."""

log = get_logger(__name__)


class PreparingDesk:
    """Claims whose turn it is until it has no room or nobody waits, then waits to be woken."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._wanted = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._prepare: Prepare | None = None
        self._loops = [asyncio.create_task(self._run()), asyncio.create_task(self._leave_when_stopping())]

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the desk, waiting."""
        return cls(context)

    def wake(self, prepare: Prepare) -> None:
        """Have it look for datasets that wait."""
        self._prepare = prepare
        self._wanted.set()

    async def stop(self) -> None:
        """Hand back every dataset."""
        await cancel_tasks(self._loops)
        await self._hand_back()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                while await self._claim():
                    pass
            except STORE_AWAY as error:
                log.warning("datasets_left_to_the_reaper", error=str(error))
            except Exception:  # a defect of ours must not end the desk
                log.exception("datasets_not_claimed")

    async def _claim(self) -> bool:
        """Take the next dataset; False when there is no room here, or nobody's turn."""
        context, most_of_project = self._context, self._find_room()
        if context.stopping.is_set() or self._prepare is None or not most_of_project:
            return False
        lease = begin_lease(context)
        async with context.database.transaction() as session:
            claimed = await claim_next_dataset(session, lease.worker_id, lease.seconds, most_of_project=most_of_project)
        if claimed is None:
            return False
        log.info("dataset_claimed", dataset=claimed.id, attempt=claimed.attempt)
        task = asyncio.create_task(self._carry_out(self._prepare, claimed, lease))
        self._under_way.add(task)
        task.add_done_callback(self._make_room)
        return True

    def _find_room(self) -> int:
        """Return how many datasets a project may have under way that gets the next place; 0 without a place."""
        bounds = self._context.bounds.now
        most = bounds.prepare_children or os.cpu_count() or 1
        if len(self._under_way) < most:
            return max(1, most - 1)
        # Long preparations of a few projects fill the places: another project's first does not wait behind them.
        return 1 if len(self._under_way) < most + bounds.prepare_spare_children else 0

    def _make_room(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._wanted.set()

    async def _carry_out(self, prepare: Prepare, claimed: ClaimedDataset, lease: Lease) -> None:
        async def work(_hold: Hold) -> None:
            await prepare(self._context, claimed)

        try:
            await work_while_held(self._context, DATASET_ROWS, claimed, lease, work)
        except STORE_AWAY as error:
            log.warning("dataset_left_to_the_reaper", dataset=claimed.id, error=str(error))
        except Exception:  # a defect of ours: the lease lapses, and the dataset is taken again
            log.exception("dataset_dropped", dataset=claimed.id)

    async def _leave_when_stopping(self) -> None:
        await self._context.stopping.wait()
        await self._hand_back()

    async def _hand_back(self) -> None:
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
