"""Tuned models, the names that point to them, and what was measured on them."""

from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id, IdKey, Json, Moment, Money


class Model(Base):
    """A model that a job made. Its name is the provider's, so a project's model is nobody else's."""

    __tablename__ = "model"
    __table_args__ = (
        Index("uq_model_provider_name", "provider", "name", unique=True),
        Index("uq_model_project_id_legacy_name", "project_id", "legacy_name", unique=True),
        Index("ix_model_project_id_id", "project_id", "id"),
        Index("ix_model_name", "name"),
        Index("ix_model_parent_id", "parent_id", postgresql_where=sql("parent_id is not null")),
        Index("ix_model_removal_due_at", "removal_due_at", postgresql_where=sql("removal_due_at is not null")),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str] = mapped_column(Text)
    provider: Mapped[str] = mapped_column(String(64))
    legacy_name: Mapped[str | None] = mapped_column(Text)
    """`curie:ft-org:suffix-2023-04-04-03-03-26`, for jobs of the legacy routes."""
    base_model: Mapped[str] = mapped_column(Text)
    """The untuned model at the root of its line."""
    parent_id: Mapped[Id | None] = mapped_column(ForeignKey("model.id"))
    """The tuned model that it went on from."""
    job_id: Mapped[Id] = mapped_column(ForeignKey("fine_tuning_job.id"), unique=True)
    dataset_version_id: Mapped[Id | None] = mapped_column(ForeignKey("dataset_version.id"))
    validation_file_id: Mapped[Id | None] = mapped_column(ForeignKey("file.id"))
    """What its children are tried on, too."""
    template: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """The template contract: format, separator, stop, … as dataset preparation chose it."""
    price: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """Prices of using it when it was made, with source and date."""
    shutdown_date: Mapped[str | None] = mapped_column(String(10))
    created_at: Mapped[Created]
    deleted_at: Mapped[Moment | None]
    removal_due_at: Mapped[Moment | None]
    """When a worker may next try to delete it at its provider; null when nothing is owed."""


class ModelAlias(Base):
    """A name of the project's own that points to a model, or to two while one is tried."""

    __tablename__ = "model_alias"

    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"), primary_key=True)
    alias: Mapped[str] = mapped_column(Text, primary_key=True)
    model: Mapped[str] = mapped_column(Text)
    canary_model: Mapped[str | None] = mapped_column(Text)
    canary_share: Mapped[float | None] = mapped_column(Float)
    """0 to 1: so many of the requests go to `canary_model`."""
    version: Mapped[int] = mapped_column(Integer)
    """Of the last change."""
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class ModelAliasChange(Base):
    """The audit trail of an alias, and what a rollback goes back to."""

    __tablename__ = "model_alias_change"

    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"), primary_key=True)
    alias: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    action: Mapped[str] = mapped_column(String(16))
    """created · promoted · canary · rolled_back · deleted."""
    model: Mapped[str | None] = mapped_column(Text)
    canary_model: Mapped[str | None] = mapped_column(Text)
    canary_share: Mapped[float | None] = mapped_column(Float)
    changed_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Created]


class ModelEvaluation(Base):
    """A model on a validation file: a cell of the forgetting matrix. A worker owns it by lease and attempt."""

    __tablename__ = "model_evaluation"
    __table_args__ = (
        Index("uq_model_evaluation_model_file", "project_id", "model", "file_id", unique=True),
        Index("ix_model_evaluation_open", "lease_until", postgresql_where=sql("status in ('queued', 'running')")),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    api_key_id: Mapped[Id] = mapped_column(ForeignKey("api_key.id"))
    model: Mapped[str] = mapped_column(Text)
    file_id: Mapped[Id] = mapped_column(ForeignKey("file.id"))
    status: Mapped[str] = mapped_column(String(16))
    """queued · running · succeeded · failed."""
    attempt: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    worker_id: Mapped[Id | None]
    lease_until: Mapped[Moment | None]
    loss: Mapped[float | None] = mapped_column(Float)
    """Mean negative log-likelihood per completion token, in nats."""
    token_accuracy: Mapped[float | None] = mapped_column(Float)
    rows: Mapped[int | None] = mapped_column(Integer)
    tokens: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[Created]
    finished_at: Mapped[Moment | None]


class ModelComparison(Base):
    """Two models on the same prompts, judged without knowing which is which. A worker owns it by lease and attempt."""

    __tablename__ = "model_comparison"
    __table_args__ = (
        Index("ix_model_comparison_project_id_id", "project_id", "id"),
        Index("ix_model_comparison_open", "lease_until", postgresql_where=sql("status in ('queued', 'running')")),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    api_key_id: Mapped[Id] = mapped_column(ForeignKey("api_key.id"))
    model: Mapped[str] = mapped_column(Text)
    against: Mapped[str] = mapped_column(Text)
    request: Mapped[Json]
    """Prompts of both sides, parameters, who judges."""
    status: Mapped[str] = mapped_column(String(16))
    """queued · running · voting · succeeded · failed."""
    attempt: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    worker_id: Mapped[Id | None]
    lease_until: Mapped[Moment | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """Wins, losses, ties, win rate with its confidence interval, losses on the held-out rows."""
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[Created]
    finished_at: Mapped[Moment | None]


class ComparisonPair(Base):
    """One prompt answered by both models, and the votes on it: one per order in which the texts were shown."""

    __tablename__ = "comparison_pair"

    comparison_id: Mapped[Id] = mapped_column(ForeignKey("model_comparison.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    prompt: Mapped[str] = mapped_column(Text)
    text: Mapped[str | None] = mapped_column(Text)
    text_against: Mapped[str | None] = mapped_column(Text)
    vote: Mapped[str | None] = mapped_column(String(8))
    """model · against · tie, with `model` shown first."""
    vote_swapped: Mapped[str | None] = mapped_column(String(8))
    """The same, shown second."""
    voted_by: Mapped[str | None] = mapped_column(Text)
    cost_usd: Mapped[Money | None]
