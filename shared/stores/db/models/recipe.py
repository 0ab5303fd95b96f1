"""Recipes: what to write. A version is immutable, so that a story can always say what it was made from."""

from typing import Any

from sqlalchemy import ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id, IdKey, Json


class Recipe(Base):
    """A name in a project; its versions hold the content."""

    __tablename__ = "recipe"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Created]


class RecipeVersion(Base):
    """Template × attributes × repeats, a model and parameters. Never updated."""

    __tablename__ = "recipe_version"
    __table_args__ = (UniqueConstraint("recipe_id", "number"), UniqueConstraint("recipe_id", "content_hash"))

    id: Mapped[IdKey]
    recipe_id: Mapped[Id] = mapped_column(ForeignKey("recipe.id"))
    number: Mapped[int] = mapped_column(Integer)
    content_hash: Mapped[str] = mapped_column(String(64))
    template: Mapped[str] = mapped_column(Text)
    attributes: Mapped[dict[str, list[Any]]] = mapped_column(JSONB(none_as_null=True))
    """Name → values. Order matters and JSONB loses it, so `attribute_names` keeps it."""
    attribute_names: Mapped[list[str]] = mapped_column(JSONB)
    repeats: Mapped[int] = mapped_column(Integer)
    model: Mapped[str] = mapped_column(Text)
    parameters: Mapped[Json]
    format: Mapped[str] = mapped_column(String(16))
    """`completion` or `chat`: which endpoint of the provider writes the story."""
    rules: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What a story must be to be taken; null where everything is."""
    selection: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Which cells of the grid are written: what to skip, a sample, and how many that makes (as a text:
    it may be beyond 64 bits); null for all."""
    pools: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Texts of which each prompt shows a few, by name."""
    created_at: Mapped[Created]
