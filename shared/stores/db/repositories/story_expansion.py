"""Insert the story rows of a run, chunk by chunk; `generation.expanded` says how far it came."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.recipes.stories import NewStory
from shared.stores.db.recordset import encode_rows

INSERT_STORIES: Final = text("""
    insert into story (id, generation_id, project_id, position, repeat, row_key, attributes, status)
    select id, :generation_id, :project_id, position, repeat, row_key, attributes, 'queued'
    from json_to_recordset(cast(:rows as json)) as rows (
        id text, position bigint, repeat int, row_key text, attributes jsonb)
    on conflict (generation_id, position) do nothing
""")

ADVANCE: Final = text("""
    update generation set expanded = :expanded
    where id = :generation_id and expanded < :expanded and status in ('queued', 'running', 'paused')
    returning 1
""")


async def insert_stories(
    session: AsyncSession, *, generation_id: str, project_id: str, stories: Sequence[NewStory]
) -> None:
    """Insert queued rows; those that are there already stay as they are."""
    values = {"generation_id": generation_id, "project_id": project_id}
    await session.execute(INSERT_STORIES, {**values, "rows": encode_rows(stories)})


async def advance_expansion(session: AsyncSession, generation_id: str, expanded: int) -> bool:
    """Record that positions 0 … expanded−1 exist. False when another worker came as far, or the run is over."""
    values = {"generation_id": generation_id, "expanded": expanded}
    return (await session.execute(ADVANCE, values)).scalar() is not None


async def find_expanded(session: AsyncSession, generation_id: str) -> int:
    """Return how many rows exist."""
    statement = text("select expanded from generation where id = :generation_id")
    return int((await session.execute(statement, {"generation_id": generation_id})).scalar_one())
