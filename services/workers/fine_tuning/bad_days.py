"""A provider's bad day is not the job's fault: while a verdict explains a failure, the job waits and no try is
counted."""

import time
from typing import Final

from services.workers.fine_tuning.failures import LONGEST_DELAY_SECONDS
from services.workers.fine_tuning.held_job import HeldJob
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.db.models import FineTuningJob

SHORTEST_DELAY_SECONDS: Final = 1.0
WAITED_SHARE: Final = 0.25
"""The next try comes after so large a part of the time that the verdict has held."""
OF_THE_ACCOUNT: Final = frozenset({FailureClass.QUOTA_EXHAUSTED, FailureClass.AUTHENTICATION})
"""What is heard here is true of every call with the key. Whether the provider is up, its texts say: another of its
servers may answer for trainings."""


async def find_excused_delay(held: HeldJob, job: FineTuningJob, error: Exception) -> float | None:
    """Return after how many seconds to try again when a verdict explains the failure; None when the failure counts:
    it is the job's own, or the verdict has held for longer than patience lasts."""
    provider = held.context.providers.find(job.provider)
    if not isinstance(error, LlmError) or provider is None:
        return None
    health, now = await held.context.healths.find(provider), time.time()
    if error.failure_class in OF_THE_ACCOUNT:
        health.hear(error, job.id, now)
    standing = health.standing
    held_for = now - standing.since
    if health.judge.explains(error) is None or held_for > held.context.worker_settings.run_patience_seconds:
        return None
    share = min(max(SHORTEST_DELAY_SECONDS, WAITED_SHARE * held_for), LONGEST_DELAY_SECONDS)
    return max(share, standing.waits_seconds(now), error.retry_after_seconds or 0.0)
