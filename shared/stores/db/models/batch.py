"""OpenAI's batches: a file of requests, the run that answers them, the files with the answers."""

from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id, IdKey, Moment


class Batch(Base):
    """One batch. A worker owns it by lease and attempt while its file is checked and while its answers are written; in
    between its run is worked on like any other."""

    __tablename__ = "batch"
    __table_args__ = (
        Index("ix_batch_project_id_id", "project_id", "id"),
        Index(
            "ix_batch_open",
            "id",
            postgresql_where=sql("status in ('validating', 'finalizing', 'cancelling', 'in_progress')"),
        ),
        Index("ix_batch_input_file_id", "input_file_id"),
        Index("ix_batch_generation_id", "generation_id", postgresql_where=sql("generation_id is not null")),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    api_key_id: Mapped[Id] = mapped_column(ForeignKey("api_key.id"))
    status: Mapped[str] = mapped_column(String(16))
    """OpenAI's: validating · in_progress · finalizing · cancelling · completed · failed · expired · cancelled."""
    endpoint: Mapped[str] = mapped_column(String(64))
    completion_window: Mapped[str] = mapped_column(String(8))
    input_file_id: Mapped[Id] = mapped_column(ForeignKey("file.id"))
    batch_metadata: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    model: Mapped[str | None] = mapped_column(Text)
    """As the lines name it."""
    generation_id: Mapped[Id | None] = mapped_column(ForeignKey("generation.id"))
    """The run; its rows are the lines, in their order."""
    attempt: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    worker_id: Mapped[Id | None]
    lease_until: Mapped[Moment | None]
    errors: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    """Why the file is refused: OpenAI's `errors.data`."""
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """OpenAI's, once the answers are written."""
    output_file_id: Mapped[Id | None] = mapped_column(ForeignKey("file.id"))
    error_file_id: Mapped[Id | None] = mapped_column(ForeignKey("file.id"))
    created_at: Mapped[Created]
    expires_at: Mapped[Moment]
    in_progress_at: Mapped[Moment | None]
    finalizing_at: Mapped[Moment | None]
    cancelling_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    """When it became what its final status says."""
