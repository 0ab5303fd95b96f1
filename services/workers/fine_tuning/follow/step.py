"""Step `follow`: what the provider says of the job becomes ours within a second, and what is wanted becomes the
provider's. Ends with the job's end there."""

import time
from datetime import timedelta

from services.workers.fine_tuning.ending import JobFinish, end_job
from services.workers.fine_tuning.failures import JobFailedError, NotYetError, is_gone
from services.workers.fine_tuning.follow.event_feed import EventFeed
from services.workers.fine_tuning.follow.pace import Pace
from services.workers.fine_tuning.follow.progress import Poll, record_poll
from services.workers.fine_tuning.follow.wishes import Wishes
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.upstream.provider import UpstreamCheckpoint, UpstreamJob
from shared.clock import utc_now
from shared.contracts.statuses import FINE_TUNING_JOB
from shared.observability.logs import get_logger
from shared.outside.providers.failures import LlmError
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_claims import forget_failures
from shared.stores.db.repositories.fine_tuning_steps import enter_step, forget_wish
from shared.stores.db.repositories.training_books import find_training_start

CHECKPOINT_SECONDS = 5.0
"""How often checkpoints are asked for while events come."""

log = get_logger(__name__)


async def follow_upstream(held: HeldJob) -> None:
    """Keep the row as the provider tells, until the job has ended there: then it is over here, or at `results`.

    Raises: JobFailedError when the provider validates the files for too long; NotYetError when it does not know the
    job or names no model; LlmError when a call fails; LostRowError when another has the job or it is over."""
    job = await held.load()
    assert job.upstream_job_id is not None
    await Follower(held, job, await EventFeed.open(held, job.upstream_job_id)).run()


class Follower:
    """One claim's watch over one job."""

    def __init__(self, held: HeldJob, job: FineTuningJob, feed: EventFeed) -> None:
        assert job.upstream_job_id is not None
        self._held = held
        self._upstream_id = job.upstream_job_id
        self._feed = feed
        self._wishes = Wishes(held, job.upstream_job_id)
        self._pace = Pace(held.provider.capabilities)
        self._last: UpstreamJob | None = None
        self._checkpoints_at = float("-inf")
        self._known_checkpoints: set[tuple[str, int, str]] = set()

    async def run(self) -> None:
        """Poll until the job has ended at its provider."""
        while not await self._poll():
            await self._held.wait(self._pace.seconds)

    async def _poll(self) -> bool:
        try:
            await self._wishes.carry_out()
            upstream = await self._held.provider.get_job(self._upstream_id)
            is_final = upstream.status in FINE_TUNING_JOB.final
            events = await self._feed.read_new(to_the_end=is_final)
            checkpoints = await self._read_checkpoints(now=is_final, active=bool(events))
        except LlmError as error:
            if is_gone(error):
                raise NotYetError("upstream_job_lost", "The provider does not know the job any more.") from error
            raise
        self._pace.note(upstream.status, is_quiet=not events)
        if is_final or events or checkpoints or upstream != self._last or self._wishes.settle(upstream):
            await self._store(Poll(upstream, events, checkpoints))
            self._feed.note_stored(events)
            if events:
                await self._held.note_progress()
            self._known_checkpoints |= {identify(item) for item in checkpoints}
            self._last = upstream
        if upstream.status == "validating_files":
            await self._limit_validation()
        return is_final

    async def _read_checkpoints(self, *, now: bool, active: bool) -> list[UpstreamCheckpoint]:
        is_due = active and time.monotonic() - self._checkpoints_at >= CHECKPOINT_SECONDS
        if not (now or is_due):
            return []
        self._checkpoints_at = time.monotonic()
        found = await self._held.provider.list_checkpoints(self._upstream_id)
        return [item for item in found if identify(item) not in self._known_checkpoints]

    async def _store(self, poll: Poll) -> None:
        upstream = poll.job
        async with self._held.writing() as (session, job):
            await record_poll(session, job, poll)
            if self._wishes.settle(upstream):
                await forget_wish(session, job)
                self._held.wish = None
            match upstream.status:
                case "succeeded" if upstream.fine_tuned_model is not None:
                    names = list(upstream.result_files)
                    await enter_step(session, job, "results", upstream_result_files=names)
                case "failed":
                    error = upstream.error or {"code": "upstream_failed", "message": "The provider gave no reason."}
                    await end_job(session, job, JobFinish("failed", "provider", str(error["message"]), error))
                case "cancelled":
                    await end_job(session, job, describe_cancellation(job))
                case "succeeded":
                    pass
                case _ if job.tries:
                    await forget_failures(session, self._held.claimed)
        if upstream.status == "succeeded" and upstream.fine_tuned_model is None:
            raise NotYetError("no_model", "The provider says that the job has succeeded, but names no model.")

    async def _limit_validation(self) -> None:
        limit = self._held.context.worker_settings.fine_tuning_validation_seconds
        async with self._held.context.database.transaction() as session:
            begun = await find_training_start(session, self._held.id)
        if begun is None or utc_now() - begun < timedelta(seconds=limit):
            return
        message = f"The provider has been validating the files for more than {limit:.0f} seconds."
        raise JobFailedError("validation_timeout", message)


def describe_cancellation(job: FineTuningJob) -> JobFinish:
    """Return the end of a job that was cancelled, by somebody here or at the provider."""
    if job.wanted == "cancel":
        reason = "the budget is used up" if job.wanted_by == "budget" else "asked for by a client"
        return JobFinish("cancelled", job.wanted_by or "unknown", reason)
    return JobFinish("cancelled", "provider", "cancelled at the provider")


def identify(checkpoint: UpstreamCheckpoint) -> tuple[str, int, str]:
    """Return what a checkpoint is told apart by, its measures included: they may come later."""
    return checkpoint.id, checkpoint.step_number, str(sorted(checkpoint.metrics.items()))
