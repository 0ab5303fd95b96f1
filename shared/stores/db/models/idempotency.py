"""Answers kept under the client's `Idempotency-Key`."""

from typing import Any

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id


class IdempotencyKey(Base):
    """One POST under one key: first a claim, then what the claim has made, then its answer. Kept 24 h."""

    __tablename__ = "idempotency_key"
    __table_args__ = (Index("ix_idempotency_key_created_at", "created_at"),)

    project_id: Mapped[Id] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    """Hash of method, path and body: the same key with another request is refused."""
    subject_id: Mapped[Id | None]
    """What the request made (a generation, a group of completions), in the transaction that made it: whoever
    comes later with the same key joins that."""
    status_code: Mapped[int | None] = mapped_column(Integer)
    headers: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Created]
