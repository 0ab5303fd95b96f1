"""Generations: added, listed and steered by the gateway. Their counters belong to the workers."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import Generation
from shared.stores.db.repositories.pages import Page, fetch_page

RETRY: Final = text("""
    with run as (
        select id from generation where id = :generation_id and status <> 'cancelled' for update),
    retried as (
        update story
        set status = 'queued', retried_at = now(), not_before = null, finished_at = null, finish_reason = null,
            failure_class = null, failure_message = null
        from run
        where story.generation_id = run.id and story.status = cast(:status as text)
          and (cast(:failure_class as text) is null or story.failure_class = :failure_class)
        returning story.id),
    counted as (select count(*) as stories from retried)
    update generation
    set failed = failed - case when cast(:status as text) = 'failed' then counted.stories else 0 end,
        rejected = rejected - case when cast(:status as text) = 'rejected' then counted.stories else 0 end,
        status_reason = case when status in ('succeeded', 'failed') then null else status_reason end,
        status = case when status in ('succeeded', 'failed') then 'queued' else status end,
        finished_at = case when status in ('succeeded', 'failed') then null else finished_at end
    from counted where generation.id = :generation_id and counted.stories > 0
    returning counted.stories
""")

EXTEND: Final = text("""
    update generation
    set repeats = :repeats,
        layers = coalesce(layers, jsonb_build_array(repeats)) || to_jsonb(cast(:repeats as int) - repeats),
        total = :total, budget_usd = coalesce(:budget_usd, budget_usd),
        requests_per_minute = coalesce(:requests_per_minute, requests_per_minute),
        tokens_per_minute = coalesce(:tokens_per_minute, tokens_per_minute),
        finished_at = case when status in ('succeeded', 'failed') then null else finished_at end,
        status = case when status in ('succeeded', 'failed') then 'queued' else status end
    where id = :generation_id and repeats = :known_repeats and total = :known_total and status <> 'cancelled'
    returning 1
""")

FIND_LIKE: Final = text("""
    select generation.id from generation
    join recipe_version made on made.id = generation.recipe_version_id
    join recipe_version asked on asked.id = :recipe_version_id
    where generation.project_id = :project_id and generation.status <> 'cancelled' and generation.model = :model
      and generation.parameters = asked.parameters and made.format = asked.format
      and made.template = asked.template and made.attributes = asked.attributes
      and made.attribute_names = asked.attribute_names and made.rules is not distinct from asked.rules
      and made.selection is not distinct from asked.selection and made.pools is not distinct from asked.pools
    order by generation.id desc limit 1
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
    pilot: int | None = None


@dataclass(frozen=True, slots=True)
class Extension:
    """What an extended run has from now on; None keeps what it has."""

    repeats: int
    total: int
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


async def retry_stories(session: AsyncSession, generation_id: str, status: str, failure_class: str | None) -> int:
    """Queue a run's failed or rejected rows again, all or those of one failure class, and open the run if it was over;
    return how many. They have all their tries again. A run that was cancelled is left as it is."""
    values = {"generation_id": generation_id, "status": status, "failure_class": failure_class}
    return int(await session.scalar(RETRY, values) or 0)


async def list_by_ids(session: AsyncSession, generation_ids: Collection[str]) -> Sequence[Generation]:
    """Return the runs with these ids, in no order."""
    return (await session.scalars(select(Generation).where(Generation.id.in_(set(generation_ids))))).all()


async def extend_generation(session: AsyncSession, run: Generation, extension: Extension) -> bool:
    """Raise a run's repeats, and open it if it was over; the rows that are to be added are expanded as those of a new
    run. False when it was changed meanwhile, or cancelled."""
    known = {"generation_id": run.id, "known_repeats": run.repeats, "known_total": run.total}
    values = {**asdict(extension), **known}
    return await session.scalar(EXTEND, values) is not None


async def find_like(session: AsyncSession, project_id: str, recipe_version_id: str, model: str) -> str | None:
    """Return the newest run whose stories were asked for as those of a recipe version would be: by the same template,
    attributes, model and parameters. How often each cell is written makes no other run."""
    values = {"project_id": project_id, "recipe_version_id": recipe_version_id, "model": model}
    found: str | None = await session.scalar(FIND_LIKE, values)
    return found
