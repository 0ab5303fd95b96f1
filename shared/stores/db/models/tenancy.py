"""Projects, and the keys that open them."""

from sqlalchemy import ARRAY, ForeignKey, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id, IdKey, Moment


class Project(Base):
    """A tenant: every other row belongs to one."""

    __tablename__ = "project"

    id: Mapped[IdKey]
    name: Mapped[str] = mapped_column(Text, unique=True)
    created_at: Mapped[Created]


class ApiKey(Base):
    """A bearer key. Only its hash is kept; `prefix` lets people tell keys apart."""

    __tablename__ = "api_key"

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"), index=True)
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    created_at: Mapped[Created]
    revoked_at: Mapped[Moment | None]


class ConsoleSession(Base):
    """A browser that is logged in to the console, with the rights of the key that it was opened with."""

    __tablename__ = "console_session"

    id: Mapped[IdKey]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """Hash of the cookie's value, which is kept nowhere."""
    project_id: Mapped[Id]
    api_key_id: Mapped[Id] = mapped_column(ForeignKey("api_key.id"))
    created_at: Mapped[Created]
    seen_at: Mapped[Created]
    """When it was last used, to the minute."""
    expires_at: Mapped[Moment]
