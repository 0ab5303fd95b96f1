"""Files as OpenAI knows them; their bytes lie in the object store."""

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import Base, Created, Id, IdKey


class File(Base):
    """A name and a purpose for bytes. Several files may share one object."""

    __tablename__ = "file"
    __table_args__ = (Index("ix_file_project_id_id", "project_id", "id"), Index("ix_file_sha256", "sha256"))

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    filename: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(String(32))
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    """The object's key in the store."""
    status: Mapped[str] = mapped_column(String(16))
    """OpenAI's: uploaded · processed · error."""
    created_at: Mapped[Created]
