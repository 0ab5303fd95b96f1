"""What a tracker is told of a job, and how much of it it has been told. Knows no database and no process."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shared.contracts.statuses import FINE_TUNING_JOB
from shared.stores.db.models import FineTuningJob, FineTuningMetric

COLUMNS: Final = (
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


@dataclass(slots=True)
class Told:
    """How far a tracker is: the last step, and how many values of each column up to there. The counts show values
    that came after their step was told."""

    step: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Sequence[Mapping[str, float]]) -> "Told":
        """Return how far it is with `rows`, which follow."""
        counts = self.counts.copy()
        for row in rows:
            counts.update(name for name in COLUMNS if name in row)
        return Told(int(rows[-1]["step"]), counts) if rows else self

    def find_late_columns(self, measured: Mapping[str, int]) -> list[str]:
        """Return the columns of which there is more by now, up to the last step told."""
        return [name for name in COLUMNS if measured.get(name, 0) > self.counts[name]]


def is_over(job: FineTuningJob) -> bool:
    """Say whether a job will measure nothing more."""
    return job.status in FINE_TUNING_JOB.final and job.finished_at is not None


def describe_job(job: FineTuningJob) -> dict[str, Any]:
    """Return the run's configuration. It holds what cannot change: some trackers take it once."""
    return {
        "job": job.id,
        "model": job.model,
        "base_model": job.base_model,
        "provider": job.provider,
        "training_file": job.training_file_id,
        "validation_file": job.validation_file_id,
        "dataset_version": job.dataset_version_id,
        "parent_model": job.parent_model_id,
        "suffix": job.suffix,
        "method": job.method.get("type"),
        **{f"metadata.{name}": value for name, value in (job.job_metadata or {}).items()},
    }


def describe_outcome(job: FineTuningJob) -> dict[str, Any]:
    """Return how a job ended."""
    summary = {
        "fine_tuned_model": job.fine_tuned_model,
        "trained_tokens": job.trained_tokens,
        "cost_usd": None if job.cost_usd is None else float(job.cost_usd),
        **{name: value for name, value in job.hyperparameters.items() if isinstance(value, int | float | str)},
    }
    return {"status": job.status, "summary": {name: value for name, value in summary.items() if value is not None}}


def describe_row(metric: FineTuningMetric, columns: Sequence[str] = COLUMNS) -> dict[str, float]:
    """Return what a step measured, as sinks take it."""
    values = {name: getattr(metric, name) for name in columns}
    measured = {name: value for name, value in values.items() if value is not None}
    return {"step": metric.step, "time": metric.recorded_at.timestamp(), **measured}
