"""A job in the hands of this process: who it is, what is wanted of it, and the transactions that its hold guards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.fine_tuning.failures import PROVIDER_UNKNOWN, NotYetError
from services.workers.fine_tuning.upstream.provider import FineTuningProvider
from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import Lease, LostRowError
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import TimeoutCount
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_claims import (
    ClaimedJob,
    Wish,
    delay_job,
    hand_back_jobs,
    lock_claimed,
)


@dataclass(slots=True)
class HeldJob:
    """What the desk and the job's coroutine share."""

    context: WorkerContext
    claimed: ClaimedJob
    client: FineTuningProvider | None
    """The provider's; None while it is not configured."""
    lease: Lease
    """The claim's; what counts until the keeper has the job."""
    hold: Hold | None = None
    wish: Wish | None = None
    timeouts: TimeoutCount = field(default_factory=TimeoutCount)
    """Of statements, in a row."""
    _called: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        """As rows and clients have it; the provider's own is `upstream_job_id` of the row."""
        return self.claimed.id

    @property
    def provider(self) -> FineTuningProvider:
        """The provider's client. Raises: NotYetError while it is not configured."""
        if self.client is None:
            raise NotYetError(PROVIDER_UNKNOWN, "The provider is not configured any more.")
        return self.client

    def hear(self, wish: Wish | None) -> None:
        """Take note of what is wanted now; what is new ends a wait."""
        if wish is not None and wish != self.wish:
            self._called.set()
        self.wish = wish

    async def wait(self, seconds: float) -> None:
        """Wait, or shorter: until something new is wanted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._called.wait()
        self._called.clear()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[tuple[AsyncSession, FineTuningJob]]:
        """Yield a session and the job's row, locked: what is written there is written only while the job is ours.

        Raises: LostRowError, before the block begins, when another has the job or it is over."""
        async with self.context.database.transaction() as session:
            yield session, await lock_job(session, self.claimed)

    async def confirm(self) -> None:
        """Return when the job is surely ours: before anything that its provider is paid for. Raises: LostRowError when
        it is lost, or when its lease has run out before the keeper has it."""
        if self.hold is not None:
            await self.hold.confirm()
        elif self.lease.is_over:
            raise LostRowError(self.id)

    async def note_progress(self) -> None:
        """Something that lasts came of this claim."""
        if self.hold is not None:
            await self.hold.note_progress()

    async def leave(self) -> None:
        """Give up the lease of a job that waits for somebody's wish: whoever hears of that can claim it at once."""
        async with self.context.database.transaction() as session:
            await hand_back_jobs(session, [self.claimed])

    async def load(self) -> FineTuningJob:
        """Return the row as it is now. Raises: LostRowError when another has the job or it is over."""
        async with self.writing() as (_, job):
            return job

    async def put_off(self, tries: int, seconds: float) -> None:
        """Let the present step wait, in a transaction of its own. Raises: LostRowError when another has the job or it
        is over."""
        async with self.context.database.transaction() as session:
            await put_off_job(session, self.claimed, tries, seconds)


async def lock_job(session: AsyncSession, claimed: ClaimedJob) -> FineTuningJob:
    """Return a claimed job's row, locked until the end of the transaction. Raises: LostRowError when another has the
    job or it is over."""
    job = await lock_claimed(session, claimed)
    if job is None:
        raise LostRowError(claimed.id)
    return job


async def put_off_job(session: AsyncSession, claimed: ClaimedJob, tries: int, seconds: float) -> None:
    """Count the tries of a claimed job's present step, and let it wait. Raises: LostRowError when another has the job
    or it is over."""
    if not await delay_job(session, claimed, tries, seconds):
        raise LostRowError(claimed.id)
