"""Who deletes a model at its provider that is deleted here: claimed by putting off when it is due, which is the lease
and stands for an attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import utc_now
from shared.stores.db.models import Model

RETRY_SECONDS = 60
"""How long after a try the next one is due."""
BATCH_ROWS = 100
MOST_UNSURE: Final = 100
"""Renewals without an answer that are remembered: minutes of an outage, in which one of the last must be the row's."""


@dataclass(slots=True)
class ClaimedRemoval:
    """A model to be deleted at its provider, by us until the time when it is due, which stands for an attempt."""

    id: str
    name: str
    provider: str
    due_ats: list[datetime]
    """The newest that the row surely has, and those of renewals whose commit may have been answered to nobody."""


async def claim_removal(session: AsyncSession, model_id: str, lease_seconds: float) -> ClaimedRemoval | None:
    """Take a removal that is due; None when it is done, or another worker's."""
    statement = (
        update(Model)
        .where(Model.id == model_id, Model.removal_due_at <= func.now())
        .values(removal_due_at=func.now() + timedelta(seconds=lease_seconds))
        .returning(Model.id, Model.name, Model.provider, Model.removal_due_at)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None or row.removal_due_at is None:
        return None
    return ClaimedRemoval(row.id, row.name, row.provider, [row.removal_due_at])


async def put_off_removals(
    session: AsyncSession, held: Sequence[ClaimedRemoval], seconds: float
) -> dict[str, datetime]:
    """Let removals that are ours be due in `seconds`; return until when, of those that still are, by model. The time is
    chosen here, so that it is known whatever becomes of the answer."""
    due_at = utc_now() + timedelta(seconds=seconds)
    keys = [(removal.id, known) for removal in held for known in removal.due_ats]
    for removal in held:
        removal.due_ats = [*removal.due_ats[:1], *removal.due_ats[1:][-MOST_UNSURE:], due_at]
    statement = (
        update(Model)
        .where(tuple_(Model.id, Model.removal_due_at).in_(keys))
        .values(removal_due_at=due_at)
        .returning(Model.id)
    )
    return dict.fromkeys(await session.scalars(statement), due_at)


async def settle_removal(session: AsyncSession, removal: ClaimedRemoval) -> bool:
    """Record that nothing is owed any more; False when the removal is not ours any more."""
    keys = [(removal.id, known) for known in removal.due_ats]
    statement = (
        update(Model)
        .where(tuple_(Model.id, Model.removal_due_at).in_(keys))
        .values(removal_due_at=None)
        .returning(Model.id)
    )
    return await session.scalar(statement) is not None


async def list_owed_removals(session: AsyncSession, *, delay_seconds: int) -> list[str]:
    """Return the models whose removal has been due for so long that its message must be lost."""
    due = Model.removal_due_at < func.now() - timedelta(seconds=delay_seconds)
    return list((await session.scalars(select(Model.id).where(due).order_by(Model.id).limit(BATCH_ROWS))).all())
