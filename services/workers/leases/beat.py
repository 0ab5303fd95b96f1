"""The heartbeat of one job kind: all its rows renewed in one transaction, and told what is wanted of them.

Whatever is raised is logged and counted, and it beats on. A store that is away lets nobody else claim, so the work goes
on. When renewals fail or hang for a whole lease although the store answers others, the work is stopped: no two workers
may pay for one row."""

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import Lease, RowKind
from services.workers.process.context import WorkerContext
from services.workers.process.metrics import BEATS_FAILED, ROWS_HELD, ROWS_LOST
from shared.cancellation import cancel_tasks
from shared.observability.logs import get_logger
from shared.stores.away import AWAY_OR_SILENT, StatementTimeoutError

NEVER: Final = float("inf")

log = get_logger(__name__)


class KindBeat:
    """The holds of one kind, and when they are due. `on_idle` is called whenever it may be due anew."""

    def __init__(self, context: WorkerContext, kind: RowKind[Any, Any], on_idle: Callable[[], None]) -> None:
        self.kind = kind
        self._context = context
        self._on_idle = on_idle
        self._rows: dict[Hold, Any] = {}
        self._renew_at = NEVER
        self._listen_at = NEVER
        self._failing_since: float | None = None
        self._beating: asyncio.Task[None] | None = None

    @property
    def due_at(self) -> float:
        """When the next beat is due (`time.monotonic()`); infinity while one is under way or nothing is held."""
        return NEVER if self._beating is not None or not self._rows else min(self._renew_at, self._listen_at)

    def add(self, hold: Hold, row: object) -> None:
        """Keep a row from now on."""
        if not self._rows:
            self._renew_at = time.monotonic() + self._context.worker_settings.renew_seconds
            self._listen_at = self._next_listen()
        self._rows[hold] = row
        ROWS_HELD.labels(self.kind.name).set(len(self._rows))
        self._on_idle()

    def remove(self, hold: Hold) -> None:
        """Keep a row no more."""
        self._rows.pop(hold, None)
        ROWS_HELD.labels(self.kind.name).set(len(self._rows))

    def hurry(self, seconds: float) -> None:
        """Have the rows renewed within `seconds`."""
        if (at := time.monotonic() + seconds) < self._renew_at:
            self._renew_at = at
            self._on_idle()

    def start(self) -> None:
        """Begin a beat, beside those of other kinds: one that waits for a lock holds up no other."""
        renews = time.monotonic() >= self._renew_at
        if renews:
            self._renew_at = time.monotonic() + self._context.worker_settings.renew_seconds
        self._listen_at = self._next_listen()
        self._beating = asyncio.create_task(self._beat(renews=renews), name=f"beat-{self.kind.name}")
        self._beating.add_done_callback(self._end)

    async def wait_until_idle(self) -> None:
        """Wait for the beat that is under way."""
        if self._beating is not None:
            await asyncio.wait({self._beating})

    async def stop(self) -> None:
        """End a beat that is under way."""
        await cancel_tasks([self._beating])

    def _end(self, _task: "asyncio.Task[None]") -> None:
        self._beating = None
        self._on_idle()

    def _next_listen(self) -> float:
        return NEVER if self.kind.listen_seconds is None else time.monotonic() + self.kind.listen_seconds

    async def _beat(self, *, renews: bool) -> None:
        begun_at = time.monotonic()
        try:
            await self._reach_rows(renews=renews)
        except AWAY_OR_SILENT as error:
            hangs = isinstance(error, TimeoutError | StatementTimeoutError) and await self._answers_others()
            BEATS_FAILED.labels(self.kind.name, "hanging" if hangs else "away").inc()
            log.warning("leases_not_renewed", kind=self.kind.name, count=len(self._rows), error=repr(error))
            if hangs:
                self._note_failing(begun_at)
            elif renews:
                self._failing_since = None
        except Exception:
            BEATS_FAILED.labels(self.kind.name, "defect").inc()
            log.exception("leases_not_renewed", kind=self.kind.name, count=len(self._rows))
            self._note_failing(begun_at)

    async def _answers_others(self) -> bool:
        """Say whether the store is there after all: then it is this kind's own statement that hangs."""
        try:
            async with asyncio.timeout(self._context.worker_settings.renew_seconds):
                await self._context.database.ping()
        except AWAY_OR_SILENT:
            return False
        return True

    async def _reach_rows(self, *, renews: bool) -> None:
        lease = Lease(self._context.worker_id, self._context.worker_settings.lease_seconds)
        known = {hold: self.kind.key(row) for hold, row in self._rows.items()}
        rows = list(self._rows.values())
        # A connection that hangs (its server has vanished) must leave time for another in the same lease.
        async with (
            asyncio.timeout(2 * self._context.worker_settings.renew_seconds),
            self._context.database.transaction() as session,
        ):
            if renews:
                found = await self.kind.renew(session, rows, lease)
            else:
                found = await self.kind.listen(session, rows)
        self._failing_since = None if renews else self._failing_since
        ours = {hold: found[key] for hold, key in known.items() if key in found}
        for hold in ours if renews else ():
            hold.note_renewed(lease.begun_at)
        for hold, key in known.items():
            self._take_in(hold, key, ours)

    def _take_in(self, hold: Hold, key: Hashable, ours: Mapping[Hold, Any]) -> None:
        row = self._rows.get(hold)
        if row is None or self.kind.key(row) != key:
            return  # done meanwhile, or gone on to its next attempt
        if hold not in ours:
            self._lose(hold)
            return
        try:
            self.kind.hear(row, ours[hold])
        except Exception:  # of one row: the others must be heard
            BEATS_FAILED.labels(self.kind.name, "defect").inc()
            log.exception("not_heard", kind=self.kind.name, row=hold.name)

    def _note_failing(self, begun_at: float) -> None:
        self._failing_since = self._failing_since or begun_at
        if time.monotonic() - self._failing_since >= self._context.worker_settings.lease_seconds:
            for hold in list(self._rows):
                self._lose(hold)

    def _lose(self, hold: Hold) -> None:
        if hold.is_lost:
            return  # it settles its books
        ROWS_LOST.labels(self.kind.name).inc()
        log.warning("row_lost", kind=self.kind.name, row=hold.name)
        hold.lose()
