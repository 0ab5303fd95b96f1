"""Jobs and what belongs to them as OpenAI's objects. From `provider` on a job's fields are ours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shared.clock import unix_seconds
from shared.http.answers import Json
from shared.stores.db.models import (
    FineTuningChange,
    FineTuningCheckpoint,
    FineTuningJob,
    FineTuningMetric,
    TrackerRun,
)

ORGANIZATION: Final = "org-storymill"
MEASURES: Final = (
    "step",
    "elapsed_tokens",
    "elapsed_examples",
    "train_loss",
    "train_sequence_accuracy",
    "train_token_accuracy",
    "valid_loss",
    "valid_sequence_accuracy",
    "valid_token_accuracy",
    "learning_rate",
)


@dataclass(frozen=True, slots=True)
class ShownJob:
    """A job with what other tables say of it."""

    job: FineTuningJob
    status_reason: str | None
    trackers: Sequence[TrackerRun] = ()


def shape_job(shown: ShownJob) -> Json:
    """Return the job object."""
    job = shown.job
    kind = job.method["type"]
    return {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": unix_seconds(job.created_at),
        "finished_at": moment_or_none(job.finished_at),
        "model": job.model,
        "fine_tuned_model": job.fine_tuned_model,
        "organization_id": ORGANIZATION,
        "status": job.status,
        "hyperparameters": job.hyperparameters,
        "method": {"type": kind, kind: {"hyperparameters": job.hyperparameters}},
        "training_file": job.training_file_id,
        "validation_file": job.validation_file_id,
        "result_files": [job.result_file_id] if job.result_file_id else [],
        "trained_tokens": job.trained_tokens,
        "error": job.error,
        "seed": job.seed,
        "suffix": job.suffix,
        "integrations": job.integrations,
        "estimated_finish": moment_or_none(job.estimated_finish),
        "metadata": job.job_metadata,
        **shape_our_part(shown),
    }


def shape_our_part(shown: ShownJob) -> Json:
    """Return the fields that OpenAI does not have."""
    job = shown.job
    return {
        "provider": job.provider,
        "step": job.step,
        "base_model": job.base_model,
        "parent_model": job.base_model if job.parent_model_id else None,
        "dataset_version": job.dataset_version_id,
        "estimate": job.estimate,
        "budget_usd": float(job.budget_usd) if job.budget_usd is not None else None,
        "cost_usd": float(job.cost_usd) if job.cost_usd is not None else None,
        "replay": job.replay,
        "wanted": job.wanted,
        "status_reason": shown.status_reason,
        "trackers": [shape_tracker(run) for run in shown.trackers],
    }


def shape_tracker(run: TrackerRun) -> Json:
    """Return how far a tracker has been told."""
    names = ("sink", "status", "told_step", "run_ref", "last_error")
    return {name: getattr(run, name) for name in names}


def shape_checkpoint(checkpoint: FineTuningCheckpoint) -> Json:
    """Return the checkpoint object."""
    return {
        "id": checkpoint.id,
        "object": "fine_tuning.job.checkpoint",
        "created_at": unix_seconds(checkpoint.created_at),
        "fine_tuned_model_checkpoint": checkpoint.model,
        "fine_tuning_job_id": checkpoint.job_id,
        "step_number": checkpoint.step_number,
        "metrics": checkpoint.metrics,
    }


def shape_metric(metric: FineTuningMetric) -> Json:
    """Return what a step measured."""
    return {name: getattr(metric, name) for name in MEASURES}


def shape_changes(changes: Iterable[FineTuningChange]) -> list[Json]:
    """Return who changed a job's status, and why."""
    return [
        {
            "id": str(change.position),
            "object": "fine_tuning.job.change",
            "from": change.from_status,
            "to": change.to_status,
            "by": change.changed_by,
            "reason": change.reason,
            "created_at": unix_seconds(change.created_at),
        }
        for change in changes
    ]


def moment_or_none(moment: datetime | None) -> int | None:
    """Return seconds since the epoch."""
    return unix_seconds(moment) if moment is not None else None


def list_metrics_body(metrics: Sequence[FineTuningMetric], *, has_more: bool) -> Json:
    """Return OpenAI's list; the next page is `?after_step=` of the last."""
    data: list[dict[str, Any]] = [shape_metric(metric) for metric in metrics]
    return {"object": "list", "data": data, "has_more": has_more}
