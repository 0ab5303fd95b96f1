"""The fine-tuning jobs of this process: a coroutine each. A job holds no Celery thread while its provider works."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Self

from services.workers.fine_tuning.give_up.failing import fail_without_provider
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.lease import FINE_TUNING_ROWS
from services.workers.fine_tuning.running import run_job
from services.workers.fine_tuning.upstream.provider import FineTuningProvider
from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import Lease
from services.workers.leases.working import work_while_held
from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.outside.providers.configuration import Provider
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.fine_tuning_claims import ClaimedJob

if TYPE_CHECKING:
    from services.workers.fine_tuning.upstream.openai_protocol import OpenAiFineTuning

log = get_logger(__name__)


class FineTuningDesk:
    """A part of the worker context."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._providers: dict[str, FineTuningProvider] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._leaving = asyncio.create_task(self._leave_when_stopping())

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the desk, empty."""
        return cls(context)

    async def stop(self) -> None:
        """Hand back every job and close the connections."""
        self._leaving.cancel()
        await self._hand_back()
        for provider in self._providers.values():
            await provider.close()

    def take(self, claimed: ClaimedJob, provider: Provider, lease: Lease) -> None:
        """Carry out a job that was claimed just now; returns at once."""
        held = HeldJob(self._context, claimed, self.find_provider(provider), lease)
        task = asyncio.create_task(self._carry_out(held))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def end(self, claimed: ClaimedJob, lease: Lease) -> None:
        """End a job whose provider is not configured any more, or let it wait."""
        held = HeldJob(self._context, claimed, None, lease)
        work = partial(end_without_provider, held)
        try:
            await work_while_held(self._context, FINE_TUNING_ROWS, held, lease, work)
        except STORE_AWAY as error:
            log.warning("fine_tuning_job_left_to_the_reaper", job=held.id, error=str(error))
        except Exception:  # a defect of ours: the lease lapses, and the job is taken again, until it is given up
            log.exception("fine_tuning_job_dropped", job=held.id)

    def find_provider(self, provider: Provider) -> FineTuningProvider:
        """Return the process's client of a provider."""
        if provider.name not in self._providers:
            self._providers[provider.name] = load_protocol()(provider)
        return self._providers[provider.name]

    async def _carry_out(self, held: HeldJob) -> None:
        try:
            await work_while_held(self._context, FINE_TUNING_ROWS, held, held.lease, partial(run_kept, held))
        except Exception:  # a defect of ours: the lease lapses, and the job is taken again
            log.exception("fine_tuning_job_dropped", job=held.id)

    async def _leave_when_stopping(self) -> None:
        await self._context.stopping.wait()
        await self._hand_back()

    async def _hand_back(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def load_protocol() -> "type[OpenAiFineTuning]":
    """Return the one protocol that is spoken. Imported at the first tuning, in a thread: OpenAI's library is 50 MB and
    a second, and every process reads the job table."""
    from services.workers.fine_tuning.upstream.openai_protocol import OpenAiFineTuning  # noqa: PLC0415

    return OpenAiFineTuning


async def end_without_provider(held: HeldJob, hold: Hold) -> None:
    """Fail a job whose lease is kept from now on, for want of its provider. Raises: LostRowError when it is
    lost."""
    held.hold = hold
    await fail_without_provider(held.context, held.claimed)


async def run_kept(held: HeldJob, hold: Hold) -> None:
    """Run a job whose lease is kept from now on."""
    held.hold = hold
    await run_job(held)
