"""Datasets: a preparation, the immutable version that it made, and where each row of that came from."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id, IdKey, Json, Moment, Money


class DatasetVersion(Base):
    """Prepared rows. The id is the hash of the rows, their sides and their origins, so equal work is one version."""

    __tablename__ = "dataset_version"
    __table_args__ = (
        Index("ix_dataset_version_train_file_id", "train_file_id"),
        Index("ix_dataset_version_validation_file_id", "validation_file_id"),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    template: Mapped[Json]
    """The template contract: format, separator, stop, …"""
    train_rows: Mapped[int] = mapped_column(BigInteger)
    validation_rows: Mapped[int] = mapped_column(BigInteger)
    cost_usd: Mapped[Money | None]
    """What the stories in it cost; null when a price is missing."""
    train_file_id: Mapped[Id] = mapped_column(ForeignKey("file.id"))
    validation_file_id: Mapped[Id | None] = mapped_column(ForeignKey("file.id"))
    created_at: Mapped[Created]


class Dataset(Base):
    """One preparation: what was asked for, how it stands, what it found. A worker owns it by lease and attempt."""

    __tablename__ = "dataset"
    __table_args__ = (
        Index("ix_dataset_project_id_id", "project_id", "id"),
        Index("ix_dataset_open", "lease_until", postgresql_where=sql("status in ('queued', 'running')")),
        Index("ix_dataset_version_id", "version_id"),
        Index("ix_dataset_report_file_id", "report_file_id", postgresql_where=sql("report_file_id is not null")),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    api_key_id: Mapped[Id] = mapped_column(ForeignKey("api_key.id"))
    request: Mapped[Json]
    """Sources and options, with every default filled in."""
    status: Mapped[str] = mapped_column(String(16))
    """queued · running · succeeded · failed · cancelled."""
    attempt: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    worker_id: Mapped[Id | None]
    lease_until: Mapped[Moment | None]
    version_id: Mapped[Id | None] = mapped_column(ForeignKey("dataset_version.id"))
    report: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """Counts, findings, histograms, tokens: of this preparation, whose options may differ from another's."""
    report_file_id: Mapped[Id | None] = mapped_column(ForeignKey("file.id"))
    """The report as a page."""
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """Why it failed: code, message, and for a bad file line, column and the corrected copy."""
    created_at: Mapped[Created]
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]


class DatasetRow(Base):
    """Where one prepared row came from. Its text is a stretch of bytes in the version's file of its side."""

    __tablename__ = "dataset_row"
    __table_args__ = (
        Index("ix_dataset_row_story_id", "story_id", postgresql_where=sql("story_id is not null")),
        Index(
            "ix_dataset_row_rejected_story_id",
            "rejected_story_id",
            postgresql_where=sql("rejected_story_id is not null"),
        ),
        Index("ix_dataset_row_version_id_split", "version_id", "split", "position"),
    )

    version_id: Mapped[Id] = mapped_column(ForeignKey("dataset_version.id"), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    split: Mapped[str] = mapped_column(String(16))
    """`train` or `validation`."""
    byte_start: Mapped[int] = mapped_column(BigInteger)
    byte_count: Mapped[int] = mapped_column(Integer)
    story_id: Mapped[Id | None]
    rejected_story_id: Mapped[Id | None]
    """Of a preference pair: the story that `story_id` is preferred to. Run, recipe version and model are that one's."""
    generation_id: Mapped[Id | None]
    recipe_version_id: Mapped[Id | None]
    model: Mapped[str | None] = mapped_column(Text)
    cost_usd: Mapped[Money | None]
    """Of the story, or of both stories of a pair."""
    file_id: Mapped[Id | None]
    """The uploaded file that held the row, at `line`."""
    line: Mapped[int | None] = mapped_column(BigInteger)
