"""Generations: added, listed and steered by the gateway. Their counters belong to the workers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import Generation
from shared.stores.db.repositories.pages import Page, fetch_page

RETRY_FAILED: Final = text("""
    with run as (
        select id from generation where id = :generation_id and status <> 'cancelled' for update),
    retried as (
        update story
        set status = 'queued', retried_at = now(), not_before = null, finished_at = null, finish_reason = null,
            failure_class = null, failure_message = null
        from run
        where story.generation_id = run.id and story.status = 'failed'
          and (cast(:failure_class as text) is null or story.failure_class = :failure_class)
        returning story.id),
    counted as (select count(*) as stories from retried)
    update generation
    set failed = failed - counted.stories,
        status = case when status in ('succeeded', 'failed') then 'queued' else status end,
        finished_at = case when status in ('succeeded', 'failed') then null else finished_at end
    from counted where generation.id = :generation_id and counted.stories > 0
    returning counted.stories
""")

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
    """Return a run of a recipe of the project; those of batches are seen as batches."""
    query = select(Generation).where(Generation.id == generation_id, Generation.project_id == project_id)
    query = query.where(Generation.recipe_version_id.is_not(None))
    return (await session.scalars(query)).one_or_none()


async def list_generations(
    session: AsyncSession, project_id: str, page: Page, *, status: str | None = None
) -> tuple[Sequence[Generation], bool]:
    """Return a page of a project's runs of recipes and whether there is more."""
    query = select(Generation).where(Generation.project_id == project_id, Generation.recipe_version_id.is_not(None))
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


async def retry_failed_stories(session: AsyncSession, generation_id: str, failure_class: str | None) -> int:
    """Queue a run's failed rows again, all or those of one failure class, and open the run if it was over; return how
    many. A run that was cancelled is left as it is."""
    values = {"generation_id": generation_id, "failure_class": failure_class}
    return int(await session.scalar(RETRY_FAILED, values) or 0)


async def list_by_ids(session: AsyncSession, generation_ids: Collection[str]) -> Sequence[Generation]:
    """Return the runs with these ids, in no order."""
    return (await session.scalars(select(Generation).where(Generation.id.in_(set(generation_ids))))).all()
