"""Remove runs with their stories, and recipes with their versions. The books of their calls stay."""

from typing import Final

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import Generation

LOCK_RUN: Final = text("select status, running from generation where id = :id for update")
FIND_DATASET: Final = text("""
    select id from dataset where project_id = :project_id and request -> 'sources' @> :source order by id limit 1
""").bindparams(bindparam("source", type_=JSONB))
DROP_TEXTS: Final = (
    text("delete from distinct_text where generation_id = :id"),
    text("delete from near_text where generation_id = :id"),
)
DROP_STORIES: Final = text("delete from story where generation_id = :id")
DROP_RUN: Final = text("delete from generation where id = :id")
LOCK_VERSIONS: Final = text("""
    select version.id from recipe join recipe_version as version on version.recipe_id = recipe.id
    where recipe.id = :id order by version.id for update
""")
COUNT_RUNS: Final = text("""
    select count(*) from generation join recipe_version as version on version.id = generation.recipe_version_id
    where generation.project_id = :project_id and version.recipe_id = :id
""")
DROP_VERSIONS: Final = text("delete from recipe_version where recipe_id = :id")
DROP_RECIPE: Final = text("delete from recipe where id = :id")


async def lock_run(session: AsyncSession, generation_id: str) -> tuple[str, int] | None:
    """Return a run's status and how many of its calls are under way, None when it is gone. Nobody changes it until the
    end of the transaction."""
    row = (await session.execute(LOCK_RUN, {"id": generation_id})).one_or_none()
    return (row[0], row[1]) if row else None


async def find_dataset_of_run(session: AsyncSession, run: Generation) -> str | None:
    """Return a dataset that was ordered from the run's stories."""
    values = {"project_id": run.project_id, "source": [{"generation": run.id}]}
    found: str | None = await session.scalar(FIND_DATASET, values)
    return found


async def delete_run(session: AsyncSession, generation_id: str) -> None:
    """Delete a run that is locked and over, with its stories."""
    for statement in DROP_TEXTS:
        await session.execute(statement, {"id": generation_id})
    await session.execute(DROP_STORIES, {"id": generation_id})
    await session.execute(DROP_RUN, {"id": generation_id})


async def lock_recipe_and_count_runs(session: AsyncSession, project_id: str, recipe_id: str) -> int:
    """Return how many runs were made from a recipe, of any version. No run is made until the end of the transaction."""
    await session.execute(LOCK_VERSIONS, {"id": recipe_id})
    return int(await session.scalar(COUNT_RUNS, {"project_id": project_id, "id": recipe_id}) or 0)


async def delete_recipe(session: AsyncSession, recipe_id: str) -> None:
    """Delete a recipe that no run was made from, with its versions."""
    await session.execute(DROP_VERSIONS, {"id": recipe_id})
    await session.execute(DROP_RECIPE, {"id": recipe_id})
