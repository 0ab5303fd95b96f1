"""The order of a job, in the words of its provider: what that cannot take is left out."""

from typing import Any, Final

from services.workers.fine_tuning.create.made_jobs import MARK, find_mark
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.upstream.provider import JobOrder
from shared.stores.db.models import FineTuningJob

LONGEST_SUFFIX: Final = 40
MOST_METADATA: Final = 16


def make_order(held: HeldJob, job: FineTuningJob) -> JobOrder:
    """Return the order, without what the provider cannot take."""
    can = held.provider.capabilities
    assert job.upstream_training_file_id is not None
    hyperparameters = find_hyperparameters(job, relative_rate=can.relative_learning_rate)
    return JobOrder(
        model=job.base_model,
        training_file=job.upstream_training_file_id,
        validation_file=job.upstream_validation_file_id,
        suffix=make_suffix(job, is_mark=can.adoption == "suffix") if can.suffix else None,
        seed=job.seed if can.seed else None,
        method=make_method(job, hyperparameters) if can.method else None,
        hyperparameters=None if can.method else hyperparameters or None,
        metadata=make_metadata(job) if can.adoption == "metadata" else None,
    )


def find_hyperparameters(job: FineTuningJob, *, relative_rate: bool) -> dict[str, Any]:
    """Return what was asked for, of either form."""
    kind = str(job.method.get("type") or "supervised")
    asked = dict((job.method.get(kind) or {}).get("hyperparameters") or job.hyperparameters)
    if not relative_rate:
        asked.pop("learning_rate_multiplier", None)
    return asked


def make_method(job: FineTuningJob, hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """Return OpenAI's `method`."""
    kind = str(job.method.get("type") or "supervised")
    inner = {**(job.method.get(kind) or {}), "hyperparameters": hyperparameters}
    return {"type": kind, kind: inner if hyperparameters else {**inner, "hyperparameters": {}}}


def make_suffix(job: FineTuningJob, *, is_mark: bool) -> str | None:
    """Return the suffix, with a part that no other job has where that is how we know the job again."""
    if not is_mark:
        return job.suffix
    part = find_mark(job)
    kept = (job.suffix or "")[: LONGEST_SUFFIX - len(part) - 1].strip("-")
    return f"{kept}-{part}" if kept else part


def make_metadata(job: FineTuningJob) -> dict[str, str]:
    """Return the client's metadata with our mark; the mark goes before the client's last entries."""
    return dict([(MARK, job.id), *(job.job_metadata or {}).items()][:MOST_METADATA])
