"""The fine-tuning jobs of this process: a coroutine each, one loop that renews all their leases and hears what is
wanted of them. A job holds no Celery thread while its provider works."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final, Self

from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.running import run_job
from services.workers.fine_tuning.upstream.openai_protocol import OpenAiFineTuning
from services.workers.fine_tuning.upstream.provider import FineTuningProvider
from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.outside.providers.configuration import Provider
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.fine_tuning_claims import (
    RENEW_SECONDS,
    ClaimedJob,
    hand_back_jobs,
    read_wishes,
    renew_jobs,
)

LISTEN_SECONDS: Final = 0.5

log = get_logger(__name__)


class FineTuningDesk:
    """A part of the worker context."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._providers: dict[str, FineTuningProvider] = {}
        self._held: dict[str, tuple[HeldJob, asyncio.Task[None]]] = {}
        self._errands: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the desk, renewing and listening."""
        desk = cls(context)
        desk._spawn(desk._run_renewal())
        desk._spawn(desk._leave_when_stopping())
        return desk

    async def stop(self) -> None:
        """Hand back every job and close the connections."""
        await self._hand_back()
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)
        for provider in self._providers.values():
            await provider.close()

    def take(self, claimed: ClaimedJob, provider: Provider) -> None:
        """Carry out a job that was claimed just now; returns at once."""
        held = HeldJob(self._context, claimed, self.find_provider(provider))
        before = self._held.get(claimed.id)
        if before is not None:  # lost, and claimed anew by ourselves
            before[1].cancel()
        task = asyncio.create_task(run_job(held))
        self._held[claimed.id] = (held, task)
        task.add_done_callback(lambda ended: self._forget(held, ended))

    def find_provider(self, provider: Provider) -> FineTuningProvider:
        """Return the process's client of a provider."""
        if provider.name not in self._providers:
            self._providers[provider.name] = OpenAiFineTuning(provider)
        return self._providers[provider.name]

    def _forget(self, held: HeldJob, task: "asyncio.Task[None]") -> None:
        if self._held.get(held.id, (None, None))[0] is held:
            del self._held[held.id]
        if not task.cancelled() and task.exception() is not None:
            log.error("fine_tuning_job_dropped", job=held.id, error=repr(task.exception()))

    def _spawn(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _run_renewal(self) -> None:
        renewed_at = time.monotonic()
        while True:
            await asyncio.sleep(LISTEN_SECONDS)
            is_due = time.monotonic() - renewed_at >= RENEW_SECONDS - LISTEN_SECONDS
            held = [job for job, _ in self._held.values()]
            if not held:
                continue
            try:
                await self._listen(held, renew=is_due)
            except STORE_AWAY as error:
                # Nobody can take the jobs while Postgres is away.
                log.warning("fine_tuning_leases_not_renewed", count=len(held), error=str(error))
                continue
            renewed_at = time.monotonic() if is_due else renewed_at

    async def _listen(self, held: list[HeldJob], *, renew: bool) -> None:
        claimed = [job.claimed for job in held]
        async with self._context.database.transaction() as session:
            if renew:
                await renew_jobs(session, claimed, self._context.worker_id)
            wishes = await read_wishes(session, claimed)
        for job in held:
            if job.id in wishes:
                job.hear(wishes[job.id])
            elif job.id in self._held and self._held[job.id][0] is job:
                self._held[job.id][1].cancel()

    async def _leave_when_stopping(self) -> None:
        await self._context.stopping.wait()
        await self._hand_back()

    async def _hand_back(self) -> None:
        held = list(self._held.values())
        for _, task in held:
            task.cancel()
        await asyncio.gather(*(task for _, task in held), return_exceptions=True)
        if held:
            try:
                async with self._context.database.transaction() as session:
                    await hand_back_jobs(session, [job.claimed for job, _ in held])
            except STORE_AWAY as error:
                log.warning("fine_tuning_jobs_not_handed_back", count=len(held), error=str(error))
