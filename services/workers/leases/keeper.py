"""The one keeper of leases of a worker process: one loop that starts the renewals of each kind when they are due, and
gives rows back when the worker stops."""

import asyncio
import time
from contextlib import suppress
from typing import Any, Final, Self

from services.workers.leases.hand_back import HandBackBatch
from services.workers.leases.hold import Hold
from services.workers.leases.renewals import NEVER, KindRenewals
from services.workers.leases.row_kind import Lease, RowKind
from services.workers.process.context import WorkerContext
from shared.cancellation import cancel_tasks
from shared.observability.logs import get_logger

AFTER_DEFECT_SECONDS: Final = 0.5
"""A loop that fails at once must not take the whole processor."""

log = get_logger(__name__)


class LeaseKeeper:
    """A part of the worker context."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._renewals: dict[str, KindRenewals] = {}
        self._batches: dict[str, HandBackBatch] = {}
        self._woken = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the keeper, at work."""
        keeper = cls(context)
        keeper._loop = asyncio.create_task(keeper._run(), name="lease-keeper")
        return keeper

    async def stop(self) -> None:
        """Renew nothing more. Rows can still be handed back."""
        await cancel_tasks([self._loop])
        for renewals in self._renewals.values():
            await renewals.stop()

    def enter(self, kind: RowKind[Any, Any], row: Any, lease: Lease) -> Hold:
        """Keep a row that was claimed under `lease` until `leave`."""
        renewals = self._find_renewals(kind)
        hold = Hold(str(kind.key(row)), lease, lambda: renewals.hurry(0))
        renewals.add(hold, row)
        return hold

    def leave(self, kind: RowKind[Any, Any], hold: Hold) -> None:
        """Keep a row no more."""
        self._find_renewals(kind).remove(hold)

    def hurry(self, kind: RowKind[Any, Any], seconds: float) -> None:
        """Have the rows of a kind renewed within `seconds`."""
        self._find_renewals(kind).hurry(seconds)

    async def hand_back(self, kind: RowKind[Any, Any], hold: Hold, row: Any) -> None:
        """Keep a row no more and give it to another worker; returns when it is written, or its time is up: then its
        lease lapses."""
        renewals = self._find_renewals(kind)
        renewals.remove(hold)
        await renewals.wait_until_idle()  # a renewal under way could take the row back
        await self._batches.setdefault(kind.name, HandBackBatch(self._context, kind)).add(row)

    def _find_renewals(self, kind: RowKind[Any, Any]) -> KindRenewals:
        if kind.name not in self._renewals:
            self._renewals[kind.name] = KindRenewals(self._context, kind, self._woken.set)
        return self._renewals[kind.name]

    async def _run(self) -> None:
        while True:
            try:
                await self._wait_until_due()
                for renewals in self._renewals.values():
                    if renewals.due_at <= time.monotonic():
                        renewals.start()
            except Exception:  # nothing may end the renewals
                log.exception("lease_keeper_failed")
                await asyncio.sleep(AFTER_DEFECT_SECONDS)

    async def _wait_until_due(self) -> None:
        self._woken.clear()
        due_at = min((renewals.due_at for renewals in self._renewals.values()), default=NEVER)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if due_at == NEVER else max(0.0, due_at - time.monotonic())):
                await self._woken.wait()
