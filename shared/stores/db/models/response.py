"""What OpenAI's responses know beside their text: asked with, told when retrieved, gone when deleted."""

from typing import Any

from sqlalchemy import Boolean, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id, IdKey, Json


class StoredResponse(Base):
    """One response that its client did not forbid to store. Its text, state and usage are the completion's."""

    __tablename__ = "response"

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    completion_id: Mapped[Id] = mapped_column(ForeignKey("completion.id"))
    background: Mapped[bool] = mapped_column(Boolean)
    request: Mapped[Json]
    """The request as the response tells it again (instructions, tools, metadata …), without its input."""
    input: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """The request's own input items, each with its id."""
    created_at: Mapped[Created]
