"""Generations: added, listed and steered by the gateway. Their counters belong to the workers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import Generation
from shared.stores.db.repositories.pages import Page, fetch_page

BY_REQUEST = "requested"
"""`status_reason` of a run that a client paused."""


@dataclass(frozen=True, slots=True)
class NewGeneration:
    """A run as asked for, checked and resolved. Zero-based positions up to `expanded` get their rows with it."""

    id: str
    project_id: str
    api_key_id: str
    recipe_version_id: str
    model: str
    parameters: dict[str, Any]
    repeats: int
    total: int
    expanded: int
    budget_usd: Decimal | None
    requests_per_minute: int | None
    tokens_per_minute: int | None


async def add_generation(session: AsyncSession, generation: NewGeneration) -> None:
    """Insert a queued run."""
    values = {name: getattr(generation, name) for name in NewGeneration.__slots__}
    await session.execute(insert(Generation).values(**values, status="queued"))


async def find_generation(session: AsyncSession, project_id: str, generation_id: str) -> Generation | None:
    """Return a run of the project."""
    query = select(Generation).where(Generation.id == generation_id, Generation.project_id == project_id)
    return (await session.scalars(query)).one_or_none()


async def list_generations(
    session: AsyncSession, project_id: str, page: Page, *, status: str | None = None
) -> tuple[Sequence[Generation], bool]:
    """Return a page of a project's runs and whether there is more."""
    query = select(Generation).where(Generation.project_id == project_id)
    if status is not None:
        query = query.where(Generation.status == status)
    return await fetch_page(session, query, Generation.id, page)


async def change_status(
    session: AsyncSession, generation_id: str, *, allowed: Sequence[str], values: dict[str, Any]
) -> bool:
    """Set `values` if the run's status is one of `allowed`; False when it is not."""
    statement = (
        update(Generation)
        .where(Generation.id == generation_id, Generation.status.in_(allowed))
        .values(values)
        .returning(Generation.id)
    )
    return (await session.scalar(statement)) is not None


async def list_by_ids(session: AsyncSession, generation_ids: Collection[str]) -> Sequence[Generation]:
    """Return the runs with these ids, in no order."""
    return (await session.scalars(select(Generation).where(Generation.id.in_(set(generation_ids))))).all()
