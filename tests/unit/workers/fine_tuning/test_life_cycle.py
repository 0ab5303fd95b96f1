"""Which of a provider's events tell what ours tell."""

import pytest

from services.workers.fine_tuning.follow.life_cycle import repeats_ours
from services.workers.fine_tuning.upstream.provider import UpstreamEvent, UpstreamJob
from shared.clock import utc_now

REPEATED = (
    "Created fine-tuning job: ftjob-abc",
    "Created fine-tune: ft-abc",
    "Validating training file: file-abc",
    "Files validated, moving job to queued state",
    "Fine-tuning job started",
    "Job started at Thu Aug 3",
    "Fine-tune enqueued. Queue number: 0",
    "New fine-tuned model created",
    "Uploaded result file: file-abc",
    "The job has successfully completed",
    "Fine-tune succeeded",
    "Fine-tuning job cancelled",
    "Job finished",
)
TOLD = (
    "Step 10/90: training loss=1.24",
    "Completed epoch 1/4",
    "Checkpoint created at step 10: ft:m:org::x:ckpt-step-10",
    "Waiting for a GPU",
    "Moderation checks for snapshot passed.",
)
JOB = UpstreamJob("ftjob-abc", "running")


def tell(message: str, level: str = "info", kind: str = "message") -> UpstreamEvent:
    """An event of a provider."""
    return UpstreamEvent("e", level, kind, message, None, utc_now())


@pytest.mark.parametrize("message", REPEATED)
def test_a_step_of_the_life_cycle_is_told_once(message: str) -> None:
    assert repeats_ours(tell(message), JOB)
    assert not repeats_ours(tell(message, "error"), JOB)
    assert not repeats_ours(tell(message, kind="metrics"), JOB)


@pytest.mark.parametrize("message", TOLD)
def test_what_only_the_provider_knows_passes(message: str) -> None:
    assert not repeats_ours(tell(message), JOB)


def test_what_a_job_failed_of_is_told_once() -> None:
    failed = UpstreamJob("ftjob-abc", "failed", error={"code": "insufficient_memory", "message": "No memory."})
    assert repeats_ours(tell("No memory.", "error"), failed)
    assert not repeats_ours(tell("Row 7 is too long.", "error"), failed)
    assert not repeats_ours(tell("No memory.", "error"), JOB)
