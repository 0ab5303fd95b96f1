"""Fine-tuning jobs: what was asked for, how far it is, and everything that the provider told about it."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id, IdKey, Json, Moment, Money


class FineTuningJob(Base):
    """One job at one provider. A worker owns it by lease and attempt; every later write is guarded by the attempt."""

    __tablename__ = "fine_tuning_job"
    __table_args__ = (
        Index("ix_fine_tuning_job_project_id_id", "project_id", "id"),
        Index("ix_fine_tuning_job_open", "lease_until", postgresql_where=sql("step <> 'done'")),
        Index("ix_fine_tuning_job_training_file_id", "training_file_id"),
        Index("ix_fine_tuning_job_validation_file_id", "validation_file_id"),
        Index(
            "ix_fine_tuning_job_upstream_model", "upstream_model", postgresql_where=sql("upstream_model is not null")
        ),
        Index(
            "ix_fine_tuning_job_fine_tuned_model",
            "fine_tuned_model",
            postgresql_where=sql("fine_tuned_model is not null"),
        ),
        Index("ix_fine_tuning_job_queued", "provider", "id", postgresql_where=sql("status = 'queued'")),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    api_key_id: Mapped[Id] = mapped_column(ForeignKey("api_key.id"))
    model: Mapped[str] = mapped_column(Text)
    """As the client named it: a base, a tuned model, an alias."""
    base_model: Mapped[str] = mapped_column(Text)
    """The provider's name of the model that training starts from."""
    provider: Mapped[str] = mapped_column(String(64))
    training_file_id: Mapped[Id] = mapped_column(ForeignKey("file.id"))
    validation_file_id: Mapped[Id | None] = mapped_column(ForeignKey("file.id"))
    dataset_version_id: Mapped[Id | None] = mapped_column(ForeignKey("dataset_version.id"))
    """Where the training file is a dataset's: gives lineage and the template contract."""
    parent_model_id: Mapped[Id | None]
    """The tuned model that training starts from, if it is one of ours."""
    suffix: Mapped[str | None] = mapped_column(String(64))
    seed: Mapped[int | None] = mapped_column(BigInteger)
    method: Mapped[Json]
    """OpenAI's `method` as asked for: `{"type": "supervised", "supervised": {"hyperparameters": {...}}}`."""
    hyperparameters: Mapped[Json]
    """As asked for at first, then as the provider settled them."""
    job_metadata: Mapped[dict[str, str] | None] = mapped_column("metadata", JSONB)
    integrations: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=sql("'[]'"))
    replay: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """`{"share": 0.2}`: so much of the ancestors' rows is mixed into the training file, and which file that made."""
    is_legacy: Mapped[bool] = mapped_column(Boolean, server_default=sql("false"))
    """Made over /v1/fine-tunes; its tuned model gets a name of that time."""
    legacy_deleted_at: Mapped[Moment | None]
    """Deleted over /v1/fine-tunes: those routes show it no more. Its books and its model stay."""
    overlap_allowed: Mapped[bool] = mapped_column(Boolean, server_default=sql("false"))
    """The client forces a validation file that holds training rows."""
    status: Mapped[str] = mapped_column(String(24))
    """validating_files · queued · running · paused · succeeded · failed · cancelled."""
    step: Mapped[str] = mapped_column(String(16))
    """What comes next: upload · create · follow · results · register · done; or give_up: failed here, and its training
    at the provider is being cancelled."""
    wanted: Mapped[str | None] = mapped_column(String(16))
    """cancel · pause · resume, asked for and not yet carried out at the provider."""
    wanted_by: Mapped[Id | None]
    """The key that asked, or the rule of ours (`budget`)."""
    attempt: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    worker_id: Mapped[Id | None]
    lease_until: Mapped[Moment | None]
    tries: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    """Failures in a row of the present step."""
    not_before: Mapped[Moment | None]
    """After a failure the step waits until then."""
    upstream_training_file_id: Mapped[str | None] = mapped_column(Text)
    upstream_validation_file_id: Mapped[str | None] = mapped_column(Text)
    upstream_job_id: Mapped[str | None] = mapped_column(Text)
    upstream_model: Mapped[str | None] = mapped_column(Text)
    """The tuned model's name at the provider."""
    upstream_result_files: Mapped[list[str]] = mapped_column(JSONB, server_default=sql("'[]'"))
    fine_tuned_model: Mapped[str | None] = mapped_column(Text)
    """The tuned model's name here."""
    result_file_id: Mapped[Id | None] = mapped_column(ForeignKey("file.id"))
    trained_tokens: Mapped[int | None] = mapped_column(BigInteger)
    estimated_finish: Mapped[Moment | None]
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """OpenAI's: code, message, param."""
    estimate: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """Tokens, dollars, seconds as expected before the start, and the price with its source and date."""
    budget_usd: Mapped[Money | None]
    cost_usd: Mapped[Money | None]
    """What it cost so far, at the price that was valid at the start; null when no price is known."""
    created_at: Mapped[Created]
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]


class FineTuningChange(Base):
    """A change of a job's status: who and why."""

    __tablename__ = "fine_tuning_change"

    job_id: Mapped[Id] = mapped_column(ForeignKey("fine_tuning_job.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    from_status: Mapped[str | None] = mapped_column(String(24))
    to_status: Mapped[str] = mapped_column(String(24))
    changed_by: Mapped[str] = mapped_column(Text)
    """A key id, a worker id, `provider`, or a rule of ours."""
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Created]


class FineTuningEvent(Base):
    """An event of a job, ours or the provider's. Positions run from 1 without a gap, in the order of the story."""

    __tablename__ = "fine_tuning_event"
    __table_args__ = (
        Index("uq_fine_tuning_event_upstream_id", "job_id", "upstream_id", unique=True),
        Index("uq_fine_tuning_event_id", "id", unique=True),
    )

    job_id: Mapped[Id] = mapped_column(ForeignKey("fine_tuning_job.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    id: Mapped[Id]
    upstream_id: Mapped[str | None] = mapped_column(Text)
    """Null for events of our own."""
    level: Mapped[str] = mapped_column(String(8))
    """info · warn · error."""
    type: Mapped[str] = mapped_column(String(16))
    """message · metrics."""
    message: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[Moment]
    is_repeat: Mapped[bool] = mapped_column(Boolean, server_default=sql("false"))
    """The provider tells what an event of our own tells: shown to who asks for the provider's events."""


class FineTuningMetric(Base):
    """What one training step measured; a column is null where the provider did not say."""

    __tablename__ = "fine_tuning_metric"

    job_id: Mapped[Id] = mapped_column(ForeignKey("fine_tuning_job.id"), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    elapsed_tokens: Mapped[int | None] = mapped_column(BigInteger)
    elapsed_examples: Mapped[int | None] = mapped_column(BigInteger)
    train_loss: Mapped[float | None] = mapped_column(Float)
    train_sequence_accuracy: Mapped[float | None] = mapped_column(Float)
    train_token_accuracy: Mapped[float | None] = mapped_column(Float)
    valid_loss: Mapped[float | None] = mapped_column(Float)
    valid_sequence_accuracy: Mapped[float | None] = mapped_column(Float)
    valid_token_accuracy: Mapped[float | None] = mapped_column(Float)
    learning_rate: Mapped[float | None] = mapped_column(Float)
    recorded_at: Mapped[Created]


class FineTuningCheckpoint(Base):
    """A model of a step of a job, usable by name."""

    __tablename__ = "fine_tuning_checkpoint"
    __table_args__ = (
        Index("uq_fine_tuning_checkpoint_job_id_step", "job_id", "step_number", unique=True),
        Index("ix_fine_tuning_checkpoint_model", "model"),
    )

    id: Mapped[IdKey]
    job_id: Mapped[Id] = mapped_column(ForeignKey("fine_tuning_job.id"))
    upstream_id: Mapped[str | None] = mapped_column(Text)
    step_number: Mapped[int] = mapped_column(Integer)
    model: Mapped[str] = mapped_column(Text)
    metrics: Mapped[Json]
    created_at: Mapped[Moment]
