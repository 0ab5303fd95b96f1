"""How much of a server a project has now: what its quotas are held against."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

MEASURES: Final = {
    "max_stored_bytes": """
        (select coalesce(sum(bytes), 0) from file where project_id = :project_id and status <> 'deleted')
        + (select coalesce(sum(bytes), 0) from upload
           where project_id = :project_id and status = 'pending' and expires_at > now())""",
    "max_files": "select count(*) from file where project_id = :project_id and status <> 'deleted'",
    "max_open_uploads": """
        select count(*) from upload where project_id = :project_id and status = 'pending' and expires_at > now()""",
    "max_recipe_versions": """
        select count(*) from recipe_version join recipe on recipe.id = recipe_version.recipe_id
        where recipe.project_id = :project_id""",
    "max_open_generations": """
        select count(*) from generation
        where project_id = :project_id and status in ('queued', 'running', 'paused')""",
    "max_open_rows": """
        select coalesce(sum(total - succeeded - failed - rejected), 0) from generation
        where project_id = :project_id and status in ('queued', 'running', 'paused')""",
    "max_open_batches": """
        select count(*) from batch
        where project_id = :project_id and status in ('validating', 'finalizing', 'cancelling', 'in_progress')""",
    "max_open_datasets": """
        select count(*) from dataset where project_id = :project_id and status in ('queued', 'running')""",
    "max_open_fine_tuning_jobs": """
        select count(*) from fine_tuning_job where project_id = :project_id and step <> 'done'""",
    "max_open_completions": """
        select count(*) from completion where project_id = :project_id and status in ('queued', 'running')""",
}
"""By the name of the bound. An upload in parts counts with the size that it was announced with."""


async def measure_project(session: AsyncSession, project_id: str, bounds: Collection[str]) -> dict[str, int]:
    """Return how much of each of these bounds the project has, in one statement."""
    columns = ", ".join(f"({MEASURES[bound]}) as {bound}" for bound in bounds)
    row = (await session.execute(text(f"select {columns}"), {"project_id": project_id})).mappings().one()
    return {bound: int(row[bound]) for bound in bounds}
