"""Models that are deleted here and still stand at their providers."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import Model

RETRY_SECONDS = 60
"""How long after a try the next one is due."""
BATCH_ROWS = 100


@dataclass(frozen=True, slots=True)
class OwedRemoval:
    """A model to be deleted at its provider."""

    id: str
    name: str
    provider: str


async def take_removal(session: AsyncSession, model_id: str) -> OwedRemoval | None:
    """Take a removal that is due, and put off the next try; None when it is done, or another worker's."""
    statement = (
        update(Model)
        .where(Model.id == model_id, Model.removal_due_at <= func.now())
        .values(removal_due_at=func.now() + timedelta(seconds=RETRY_SECONDS))
        .returning(Model.id, Model.name, Model.provider)
    )
    row = (await session.execute(statement)).one_or_none()
    return OwedRemoval(*row) if row else None


async def settle_removal(session: AsyncSession, model_id: str) -> None:
    """Record that nothing is owed any more."""
    await session.execute(update(Model).where(Model.id == model_id).values(removal_due_at=None))


async def list_owed_removals(session: AsyncSession, *, delay_seconds: int) -> list[str]:
    """Return the models whose removal has been due for so long that its message must be lost."""
    due = Model.removal_due_at < func.now() - timedelta(seconds=delay_seconds)
    return list((await session.scalars(select(Model.id).where(due).order_by(Model.id).limit(BATCH_ROWS))).all())
