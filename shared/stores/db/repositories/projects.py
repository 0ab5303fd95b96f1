"""Projects, and taking turns within one."""

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.stores.db.models import Project


async def ensure_project(session: AsyncSession, name: str) -> Project:
    """Return the project called `name`, made now if there is none."""
    await session.execute(
        insert(Project).values(id=ids.new_id(ids.PROJECT), name=name).on_conflict_do_nothing(index_elements=["name"])
    )
    return (await session.scalars(select(Project).where(Project.name == name))).one()


async def find_project(session: AsyncSession, project_id: str) -> Project | None:
    """Return the project with that id; None when there is none."""
    return await session.get(Project, project_id)


async def take_turn(session: AsyncSession, project_id: str, limit: str) -> None:
    """Wait until nobody else of the project is counting against the limit of that name; it is our turn until the end of
    the transaction. Call it before the count: what is counted then is what others have committed."""
    turn = text("select pg_advisory_xact_lock(hashtextextended(:turn, 3))")
    await session.execute(turn, {"turn": f"{limit} {project_id}"})
