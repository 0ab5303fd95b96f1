"""Files as OpenAI knows them; their bytes lie in the object store."""

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id, IdKey, Moment


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
    """OpenAI's: uploaded · processed · error · deleted (the row stays, for whoever names it)."""
    created_at: Mapped[Created]


class Upload(Base):
    """A file that comes in parts."""

    __tablename__ = "upload"
    __table_args__ = (Index("ix_upload_pending", "expires_at", postgresql_where=sql("status = 'pending'")),)

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    filename: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(String(32))
    mime_type: Mapped[str] = mapped_column(Text)
    bytes: Mapped[int] = mapped_column(BigInteger)
    """As announced; the parts must come to exactly this."""
    status: Mapped[str] = mapped_column(String(16))
    """OpenAI's: pending · completed · cancelled · expired."""
    file_id: Mapped[Id | None] = mapped_column(ForeignKey("file.id"))
    expires_at: Mapped[Moment]
    created_at: Mapped[Created]


class UploadPart(Base):
    """One part; the order is the client's, told when it completes the upload."""

    __tablename__ = "upload_part"
    __table_args__ = (Index("ix_upload_part_upload_id", "upload_id"), Index("ix_upload_part_sha256", "sha256"))

    id: Mapped[IdKey]
    upload_id: Mapped[Id] = mapped_column(ForeignKey("upload.id"))
    bytes: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Created]
