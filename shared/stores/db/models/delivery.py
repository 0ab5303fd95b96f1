"""What is owed to the outside: webhooks and experiment trackers, recorded before it is sent."""

from typing import Any

from sqlalchemy import ARRAY, ForeignKey, Index, Integer, String, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id, IdKey, Json, Moment


class WebhookEndpoint(Base):
    """Where a project wants to hear of its jobs."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (Index("ix_webhook_endpoint_project_id_id", "project_id", "id"),)

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    signing_secret: Mapped[str] = mapped_column(Text)
    """Of `whsec_…`, which signs: sealed (`shared/stores/sealing.py`), shown to clients once."""
    previous_secret: Mapped[str | None] = mapped_column(Text)
    """After a rotation that asked for it: signs beside the new one until `previous_secret_until`."""
    previous_secret_until: Mapped[Moment | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]
    deleted_at: Mapped[Moment | None]


class Outbox(Base):
    """A webhook to be sent, written in the transaction of what it tells."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "next_at", postgresql_where=sql("status = 'due'")),
        Index("uq_outbox_endpoint_event", "endpoint_id", "event_id", unique=True),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    endpoint_id: Mapped[Id] = mapped_column(ForeignKey("webhook_endpoint.id"))
    event_id: Mapped[Id]
    """`evt_…`; the receiver's key against doubles."""
    event_type: Mapped[str] = mapped_column(String(64))
    payload: Mapped[Json]
    status: Mapped[str] = mapped_column(String(16))
    """due · delivered · given_up."""
    tries: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    next_at: Mapped[Created]
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Created]
    delivered_at: Mapped[Moment | None]


class TrackerRun(Base):
    """One job in one experiment tracker, and how far it has been told. What is owed follows from the positions."""

    __tablename__ = "tracker_run"
    __table_args__ = (Index("ix_tracker_run_due", "next_at", postgresql_where=sql("status <> 'complete'")),)

    job_id: Mapped[Id] = mapped_column(ForeignKey("fine_tuning_job.id"), primary_key=True)
    sink: Mapped[str] = mapped_column(String(16), primary_key=True)
    """wandb · mlflow · trackio · tensorboard."""
    config: Mapped[Json]
    """The integration as asked for."""
    run_ref: Mapped[str | None] = mapped_column(Text)
    """The run's id or folder in the tracker."""
    told_step: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    """Metrics up to this step are there."""
    status: Mapped[str] = mapped_column(String(16))
    """open · complete · given_up."""
    attempt: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    worker_id: Mapped[Id | None]
    lease_until: Mapped[Moment | None]
    tries: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    next_at: Mapped[Created]
    last_error: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
