"""The one keeper of leases of a worker process: one loop that starts the beat of each kind when it is due, and gives
rows back when the worker stops."""

import asyncio
import time
from contextlib import suppress
from typing import Any, Final, Self

from services.workers.leases.beat import NEVER, KindBeat
from services.workers.leases.hand_back import HandBackBatch
from services.workers.leases.hold import Hold
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
        self._beats: dict[str, KindBeat] = {}
        self._batches: dict[str, HandBackBatch] = {}
        self._woken = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the keeper, beating."""
        keeper = cls(context)
        keeper._loop = asyncio.create_task(keeper._run(), name="lease-keeper")
        return keeper

    async def stop(self) -> None:
        """Renew nothing more. Rows can still be handed back."""
        await cancel_tasks([self._loop])
        for beat in self._beats.values():
            await beat.stop()

    def enter(self, kind: RowKind[Any, Any], row: Any, lease: Lease) -> Hold:
        """Keep a row that was claimed under `lease` until `leave`."""
        beat = self._find_beat(kind)
        hold = Hold(str(kind.key(row)), lease, lambda: beat.hurry(0))
        beat.add(hold, row)
        return hold

    def leave(self, kind: RowKind[Any, Any], hold: Hold) -> None:
        """Keep a row no more."""
        self._find_beat(kind).remove(hold)

    def hurry(self, kind: RowKind[Any, Any], seconds: float) -> None:
        """Have the rows of a kind renewed within `seconds`."""
        self._find_beat(kind).hurry(seconds)

    async def hand_back(self, kind: RowKind[Any, Any], hold: Hold, row: Any) -> None:
        """Keep a row no more and give it to another worker; returns when it is written, or its time is up: then its
        lease lapses."""
        beat = self._find_beat(kind)
        beat.remove(hold)
        await beat.wait_until_idle()  # a renewal under way could take the row back
        await self._batches.setdefault(kind.name, HandBackBatch(self._context, kind)).add(row)

    def _find_beat(self, kind: RowKind[Any, Any]) -> KindBeat:
        if kind.name not in self._beats:
            self._beats[kind.name] = KindBeat(self._context, kind, self._woken.set)
        return self._beats[kind.name]

    async def _run(self) -> None:
        while True:
            try:
                await self._wait_until_due()
                for beat in self._beats.values():
                    if beat.due_at <= time.monotonic():
                        beat.start()
            except Exception:  # nothing may end the heartbeat
                log.exception("lease_keeper_failed")
                await asyncio.sleep(AFTER_DEFECT_SECONDS)

    async def _wait_until_due(self) -> None:
        self._woken.clear()
        due_at = min((beat.due_at for beat in self._beats.values()), default=NEVER)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if due_at == NEVER else max(0.0, due_at - time.monotonic())):
                await self._woken.wait()
